//! Two instances on TLS ports that ask for certificates, with public keys and no shared secret: what one
//! passes on to the other arrives, and who called is who called.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_client::{ClientOptions, PrivateKeyPem, StatsClient, TlsOptions, stats_v1, v1};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_repository::StreamName;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::tls::Connector;
use gamemesh_testkit::authority::{Authority, Certificate, CertificateFiles};
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{World, http};
use http_body_util::BodyExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pb::combat_service_client::CombatServiceClient;
use prost::Message as _;
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Identity};
use v1::state_service_client::StateServiceClient;

use super::lanes::{OWNED, PATIENCE};
use super::ledger::count_up;

/// A game server that its certificate shows.
const MATCHMAKER: &str = "spiffe://cluster.local/ns/games/sa/matchmaker";
const HOST: &str = "127.0.0.1";
const KEY_ID: &str = "studio";

struct Pair {
    worlds: [World; 2],
    authority: Authority,
    matchmaker: Certificate,
    files: CertificateFiles,
    signs: EncodingKey,
    _folder: TempDir,
    _postgres: Postgres,
}

impl Pair {
    async fn start() -> Self {
        let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("studio").unwrap();
        let files = authority.write(HOST, folder.path()).unwrap();
        let (jwks, signs) = key_set();
        let jwks_file = folder.path().join("jwks.json");
        std::fs::write(&jwks_file, jwks).unwrap();
        let world = || {
            let builder = World::builder()
                .services("state,combat,stats")
                .database_url(postgres.url())
                .env("POSTGRES_MAX_CONNS", "24")
                .env("JWT_JWKS_FILE", jwks_file.display().to_string())
                .env("TLS_CERT_FILE", files.certificate.display().to_string())
                .env("TLS_KEY_FILE", files.key.display().to_string())
                .env("TLS_CLIENT_CA_FILE", files.ca.display().to_string())
                .env("TLS_SPIFFE_ROLES", format!("{MATCHMAKER}=game-server"));
            OWNED.iter().fold(builder, |builder, (key, value)| builder.env(key, *value))
        };
        let mut worlds = [world().build().unwrap(), world().build().unwrap()];
        for world in &mut worlds {
            world.start().await.unwrap();
        }
        let matchmaker = authority.certificate(MATCHMAKER).unwrap();
        let (_folder, _postgres) = (folder, postgres);
        let pair = Self { worlds, authority, matchmaker, files, signs, _folder, _postgres };
        for log in ["state", "combat", "stats"] {
            pair.settled(log).await;
        }
        pair
    }

    /// The address of the owner of each lane of a log.
    fn owners(&self, log: &str) -> Vec<Option<String>> {
        let ran = self.worlds[1].cli(&["--json", "log", "stats", "--log", log]).unwrap();
        assert_eq!(ran.exit, 0, "{ran:?}");
        let lanes = ran.json()["lanes"].as_array().unwrap().clone();
        lanes.iter().map(|lane| lane["owner"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until both own lanes of a log.
    async fn settled(&self, log: &str) {
        let settled = async {
            loop {
                let owners = self.owners(log);
                let having: BTreeSet<_> = owners.iter().collect();
                if owners.iter().all(Option::is_some) && having.len() == self.worlds.len() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the lanes settle");
    }

    /// A name that begins so, in a lane of the log that the instance owns.
    fn name_at(&self, log: &str, kind: &str, begin: &str, at: usize) -> String {
        let (owners, address) = (self.owners(log), Some(self.worlds[at].address()));
        let is_there = |name: &String| {
            owners[usize::from(StreamName::new(kind, name).lane(owners.len() as u16).0)] == address
        };
        (0..).map(|n| format!("{begin}-{n}")).find(is_there).unwrap()
    }

    fn url(&self, at: usize) -> String {
        format!("https://{}", self.worlds[at].address())
    }

    fn options(&self) -> ClientOptions {
        let Certificate { certificate_pem, key_pem } = self.matchmaker.clone();
        let tls = TlsOptions {
            ca_pem: Some(self.authority.pem().to_owned()),
            identity_pem: Some((certificate_pem, PrivateKeyPem(key_pem))),
        };
        ClientOptions { tls, ..ClientOptions::default() }
    }

    async fn channel(&self, at: usize) -> Channel {
        let Certificate { certificate_pem, key_pem } = &self.matchmaker;
        let tls = ClientTlsConfig::new()
            .ca_certificate(tonic::transport::Certificate::from_pem(self.authority.pem()))
            .identity(Identity::from_pem(certificate_pem, key_pem));
        let endpoint = Endpoint::from_shared(self.url(at)).unwrap().tls_config(tls).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// Connects as the instances do.
    fn connector(&self) -> Connector {
        let path = |path: &std::path::Path| path.display().to_string();
        let args = ServerArgs::default()
            .with("tls-cert-file", path(&self.files.certificate))
            .with("tls-key-file", path(&self.files.key))
            .with("tls-client-ca-file", path(&self.files.ca));
        Connector::new(&ServerConfig::resolve(&args, |_| None, None).unwrap()).unwrap()
    }

    /// Calls that an instance has passed on, by what came of it.
    async fn passed_on(&self, at: usize, service: &str, outcome: &str) -> f64 {
        let address = self.worlds[at].address();
        let stream = self.connector().connect(&address).await.unwrap();
        let request = ::http::Request::get("/metrics").header("host", &address);
        let answer = http::open_on(stream, request, "").await.unwrap();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let (name, label) = (format!("{service}_lanes_calls_passed_on"), format!("\"{outcome}\""));
        let found = text.lines().filter(|l| !l.starts_with('#') && l.starts_with(&name));
        let found = found.filter(|line| line.contains(&label));
        found.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// A token that the public key verifies.
    fn token(&self, player: &str) -> String {
        let claims = json!({"sub": player, "role": "player", "exp": 4_000_000_000_u64});
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.signs).unwrap()
    }
}

/// A set with one public key, and its private half.
fn key_set() -> (String, EncodingKey) {
    let key = rcgen::KeyPair::generate().unwrap();
    // An uncompressed point: 4, then the coordinates.
    let (x, y) = key.public_key_raw()[1..].split_at(32);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
        "kid": KEY_ID, "x": text(x), "y": text(y),
    });
    (json!({"keys": [public]}).to_string(), EncodingKey::from_ec_der(&key.serialize_der()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_behind_tls_pass_calls_on_and_say_who_called() {
    let pair = Pair::start().await;

    // State: a write at the door that does not own it, by a caller without a token.
    let id = pair.name_at("state", "world", "ada", 1);
    let mut client = StateServiceClient::new(pair.channel(0).await);
    // The instances find each other in their own time.
    let mut writes = 0;
    let found = async {
        while writes == 0 || pair.passed_on(0, "gamemesh", "answered").await == 0.0 {
            let update = count_up(&id, &format!("write-{writes}"));
            client.update_aggregate(update).await.unwrap();
            writes += 1;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    assert!(found.is_ok(), "no call is passed on\n{}", pair.worlds[0].log_tail());
    assert_eq!(pair.passed_on(0, "gamemesh", "not_sent").await, 0.0);
    let asked = v1::ListEventsRequest {
        r#type: "world".to_owned(),
        id: id.clone(),
        ..v1::ListEventsRequest::default()
    };
    let mut there = StateServiceClient::new(pair.channel(1).await);
    let events = there.list_events(asked).await.unwrap().into_inner().events;
    assert_eq!(events.len(), writes);
    let actor = |event: &v1::AggregateEvent| event.metadata.as_ref().unwrap().actor.clone();
    assert!(events.iter().all(|event| actor(event) == MATCHMAKER), "{events:?}");

    // Stats: events of matches of both owners, at one door.
    let stats = StatsClient::connect(&pair.url(0), &pair.options()).await.unwrap();
    let event = |n: usize, match_id: &str| stats_v1::MatchEvent {
        event_id: format!("{match_id}-{n}"),
        match_id: match_id.to_owned(),
        player_id: "ada".to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds: 1_790_000_000 + n as i64, nanos: 0 }),
        data: Some(stats_v1::match_event::Data::Kill(stats_v1::Kill::default())),
        ..stats_v1::MatchEvent::default()
    };
    let matches = [0, 1].map(|at| pair.name_at("stats", "match", "m", at));
    let events = matches.iter().flat_map(|id| (0..10).map(|n| event(n, id))).collect();
    let request = stats_v1::IngestBatchRequest { events, ..Default::default() };
    let tally = stats.calls().ingest_batch(request).await.unwrap().into_inner().tally.unwrap();
    assert_eq!(tally.counted, 20, "{tally:?}");
    let asked = stats_v1::GetMatchRequest { match_id: matches[1].clone(), ..Default::default() };
    stats.calls().get_match(asked).await.unwrap();
    assert!(pair.passed_on(0, "stats", "answered").await > 0.0);

    // Combat: a session of the other instance, over gRPC and from its socket.
    let session = pair.name_at("combat", "combat", "match", 1);
    let mut service = CombatServiceClient::new(pair.channel(0).await);
    let create = pb::CreateSessionRequest {
        session_id: session.clone(),
        game_mode: "deathmatch".to_owned(),
        map_id: "foundry".to_owned(),
        max_players: 4,
        ..pb::CreateSessionRequest::default()
    };
    let created = service.create_session(create).await.unwrap().into_inner().session.unwrap();
    assert_eq!(created.session_id, session);
    assert!(pair.passed_on(0, "combat", "answered").await > 0.0);
    let welcome = welcomed(&pair, &session).await;
    assert_eq!(welcome.session.unwrap().session_id, session);
}

/// What the owner of a session says to a player who comes in at the other door.
async fn welcomed(pair: &Pair, session: &str) -> pb::Welcome {
    let address = pair.worlds[0].address();
    let url = format!("ws://{address}/api/v1/combat/sessions/{session}/ws");
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "combat.v1.proto".parse().unwrap());
    let bearer = format!("Bearer {}", pair.token("ada")).parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let stream = pair.connector().connect(&address).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let hello = pb::Hello { player_id: "ada".to_owned(), join: true, ..pb::Hello::default() };
    let said = Some(pb::client_frame::Message::Hello(hello));
    let frame = pb::ClientFrame { seq: 1, message: said, ..pb::ClientFrame::default() };
    socket.send(Message::Binary(frame.encode_to_vec().into())).await.unwrap();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Binary(bytes) => {
                if let Some(welcome) = pb::ServerFrame::decode(bytes).unwrap().welcome {
                    return welcome;
                }
            }
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
    panic!("no welcome")
}
