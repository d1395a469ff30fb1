//! Whichever instance is called, the owner of the session answers: over REST, gRPC and WebSocket, to who
//! really calls.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _, stream};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::game_server_request::Command;
use gamemesh_contracts::combat::v1::game_server_response::Message as Told;
use gamemesh_testkit::{World, cli};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tonic::{Code, Request, Streaming};

use super::super::player::{Player, joins};
use super::super::{PATIENCE, rest};
use super::Pair;

const SECRET: &str = "a secret that both instances share, of some length";

/// `Bearer …` of somebody of this role.
fn bearer(role: &str, player: &str) -> String {
    let mut arguments = vec!["token", "--jwt-secret", SECRET, "--role", role];
    if !player.is_empty() {
        arguments.extend(["--player-id", player]);
    }
    let ran = cli::run(&arguments).unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    format!("Bearer {}", ran.stdout.trim())
}

fn request<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_instance_is_as_good_as_the_owner() {
    let pair = Pair::start(&[("JWT_SECRET", SECRET)]).await;
    let admin = bearer("admin", "");
    let session = pair.session(&admin).await;
    let path = format!("/sessions/{session}");

    // REST, as a player at either door: for himself and for nobody else.
    for (world, name) in pair.worlds.iter().zip(["ada", "bob"]) {
        let token = bearer("player", name);
        let join = format!("{path}/join");
        let joined = rest::call_as(world, &token, "POST", &join, &json!({"playerId": name})).await;
        assert_eq!(joined["participant"]["playerId"], *name, "{joined}");
        let other = json!({"playerId": "eve"});
        let headers = [("authorization", token.as_str()), ("x-correlation-id", "one-for-all")];
        let refused = rest::send(world, &headers, "POST", &join, &other).await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert_eq!(refused.header("x-correlation-id"), Some("one-for-all"));
        let nobody = rest::send(world, &[], "POST", &join, &other).await;
        assert_eq!(nobody.status, 401, "{}", nobody.text());
    }

    // WebSocket: both play, one through the other instance; tokens in the sub-protocol and in the hello.
    let mut players = Vec::new();
    for (world, name) in pair.worlds.iter().zip(["ada", "bob"]) {
        let token = bearer("player", name);
        let header = [("authorization", token.as_str())];
        let mut player = Player::open(&world.address(), &session, joins(name), &header).await;
        player.hear_until("a welcome", |player| player.welcome.session.is_some()).await;
        players.push(player);
        let hello = pb::Hello { token: token["Bearer ".len()..].to_owned(), ..joins("eve") };
        let mut eve = Player::open(&world.address(), &session, hello, &[]).await;
        assert_eq!(eve.is_closed().await, 4403, "{:?}", eve.fault);
        let mut nobody = Player::open(&world.address(), &session, joins("bob"), &[]).await;
        assert_eq!(nobody.is_closed().await, 4401, "{:?}", nobody.fault);
    }
    let [ada, bob] = &mut players[..] else { panic!("two play") };
    ada.face(bob.seat()).await;
    bob.face(ada.seat()).await;
    assert!(ada.shoot(bob.seat()).await.unwrap().verdict.unwrap().accepted);
    assert!(bob.shoot(ada.seat()).await.unwrap().verdict.unwrap().accepted);
    let last = ada.last_event().max(bob.last_event());
    ada.hear_until("all of it", |ada| ada.last_event() >= last).await;
    bob.hear_until("all of it", |bob| bob.last_event() >= last).await;
    let event = |player: &Player| player.events.iter().find(|event| event.seq == last).cloned();
    assert_eq!(event(ada), event(bob));
    browser_at(&pair.worlds[1], &session).await;

    // gRPC: a call, a stream, and its deadline.
    let whole = rest::call_as(&pair.worlds[0], &admin, "GET", &path, &Value::Null).await;
    for world in &pair.worlds {
        let mut service = rest::service(world).await;
        let asked = pb::GetSessionRequest { session_id: session.clone() };
        let got = service.get_session(request(&admin, asked)).await.unwrap().into_inner();
        assert_eq!(got.session.unwrap().epoch.to_string(), whole["epoch"]);
        let asked = pb::WatchSessionRequest { session_id: session.clone(), ..Default::default() };
        let mut asked = request(&admin, asked);
        asked.set_timeout(Duration::from_secs(2));
        let mut frames = service.watch_session(asked).await.unwrap().into_inner();
        let mut seen = 0;
        let ended = loop {
            match frames.message().await {
                Ok(Some(_)) => seen += 1,
                Ok(None) => panic!("the session goes on"),
                Err(status) => break status,
            }
        };
        assert!(seen > 1, "{seen} frames");
        assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended}");
        let asked = request(&admin, pb::GetSessionRequest { session_id: "nowhere".into() });
        let missing = service.get_session(asked).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound, "{missing}");
    }

    // What was passed on once is not passed on again.
    let mark = [("authorization", admin.as_str()), ("x-gamemesh-forwarded", "1")];
    let refused = rest::send(&pair.worlds[1], &mark, "GET", &path, &Value::Null).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("NOT_SERVING"), "{}", refused.text());
    let hello = pb::Hello { spectate: true, ..pb::Hello::default() };
    let mut looped = Player::open(&pair.worlds[1].address(), &session, hello, &mark).await;
    assert_eq!(looped.is_closed().await, 1012, "{:?}", looped.fault);
}

/// The JSON sub-protocol goes through as well.
async fn browser_at(world: &World, session: &str) {
    let url = format!("ws://{}/api/v1/combat/sessions/{session}/ws", world.address());
    let mut request = url.into_client_request().unwrap();
    let offered = format!("combat.v1.json, bearer.{}", &bearer("spectator", "")["Bearer ".len()..]);
    request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
    let (mut socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "combat.v1.json");
    socket.send(Message::text(r#"{"hello":{"spectate":true}}"#)).await.unwrap();
    let Some(Ok(Message::Text(first))) = socket.next().await else { panic!("no welcome") };
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["welcome"]["session"]["sessionId"], session, "{first}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_game_server_plays_sessions_of_all_instances_on_one_stream() {
    let pair = Pair::start(&[]).await;
    let mut sessions = Vec::new();
    for at in 0..2 {
        let name = json!({"sessionId": pair.name_at(at)});
        sessions.push(rest::create(&pair.worlds[1], name).await);
    }
    let (commands, receiver) = mpsc::channel::<pb::GameServerRequest>(64);
    let requests = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|command| (command, receiver))
    });
    let mut service = rest::service(&pair.worlds[1]).await;
    let answers = service.game_server(Box::pin(requests)).await.unwrap();
    let answers = answers.into_inner();
    let mut server = GameServer { commands, answers, number: 0, events: Vec::new() };
    for session in &sessions {
        let subscribe = Command::Subscribe(pb::Subscribe { last_event_seq: Some(0) });
        server.does(session, "", subscribe).await;
        for player in ["ada", "bob"] {
            server.does(session, player, Command::Join(pb::JoinSeat::default())).await;
        }
        // It began when two had entered it, and everybody appeared.
        server.appeared(session, 2).await;
        let result = server.does(session, "ada", Command::Reload(pb::Reload::default())).await;
        assert_eq!(result.verdict.unwrap().player_id, "ada");
    }
    // The owner of the first session goes away: the stream says so.
    pair.worlds[0].pause(true).unwrap();
    // A command is on its way to it.
    server.send(&sessions[0], "ada", Command::Reload(pb::Reload::default())).await;
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            match server.answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no reason"),
                Err(status) => return status,
            }
        }
    });
    let ended = ended.await.expect("the stream goes on");
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    pair.worlds[0].pause(false).unwrap();
}

struct GameServer {
    commands: mpsc::Sender<pb::GameServerRequest>,
    answers: Streaming<pb::GameServerResponse>,
    number: u64,
    /// Of which session, and what.
    events: Vec<(String, pb::CombatEvent)>,
}

impl GameServer {
    async fn send(&mut self, session: &str, player: &str, command: Command) {
        self.number += 1;
        let request = pb::GameServerRequest {
            command_id: self.number,
            session_id: session.to_owned(),
            player_id: player.to_owned(),
            client_time_us: None,
            command: Some(command),
        };
        self.commands.send(request).await.unwrap();
    }

    /// Waits for the answer.
    async fn does(&mut self, session: &str, player: &str, command: Command) -> pb::CommandResult {
        self.send(session, player, command).await;
        loop {
            let answer = self.next().await;
            if answer.command_id == self.number {
                match answer.message.unwrap() {
                    Told::Result(result) => return result,
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// Reads until so many players have appeared in a session.
    async fn appeared(&mut self, session: &str, count: usize) {
        let appears = |(of, event): &&(String, pb::CombatEvent)| {
            of == session && matches!(event.event, Some(pb::combat_event::Event::Spawned(_)))
        };
        while self.events.iter().filter(appears).count() < count {
            self.next().await;
        }
    }

    async fn next(&mut self) -> pb::GameServerResponse {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        let answer = answer.expect("no answer").unwrap().expect("the stream has ended");
        if let Some(Told::Events(events)) = &answer.message {
            let of = |event: &pb::CombatEvent| (answer.session_id.clone(), event.clone());
            self.events.extend(events.events.iter().map(of));
        }
        answer
    }
}
