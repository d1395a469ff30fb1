//! TLS on the one port, client certificates, and certificates that are replaced.

use std::path::Path;
use std::time::Duration;

use gamemesh_launch::Outcome;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::peer::Peer;
use gamemesh_rpc::peers::{Identity, Origin, Peers};
use gamemesh_rpc::tls::Connector;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as Shown};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::auth::SECRET;
use crate::echo::echo;
use crate::world::{World, unary, world};

/// A server's id in the mesh, and one that nobody knows.
const MATCHMAKER: &str = "spiffe://cluster.local/ns/games/sa/matchmaker";
const STRANGER: &str = "spiffe://cluster.local/ns/games/sa/stranger";

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn sign(&self, san: SanType, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![san];
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self, folder: &Path) {
        let san = SanType::DnsName("gamemesh.test".try_into().unwrap());
        let (certificate, key) = self.sign(san, ExtendedKeyUsagePurpose::ServerAuth);
        std::fs::write(folder.join("server.pem"), certificate).unwrap();
        std::fs::write(folder.join("server.key"), key).unwrap();
    }

    fn client(&self, id: &str) -> Shown {
        let san = SanType::URI(id.try_into().unwrap());
        let (certificate, key) = self.sign(san, ExtendedKeyUsagePurpose::ClientAuth);
        Shown::from_pem(certificate, key)
    }
}

async fn connect(
    world: &World,
    authority: &Authority,
    identity: Option<Shown>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.pem))
        .domain_name("gamemesh.test");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    let endpoint = Endpoint::new(format!("https://{}", world.addr)).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

async fn serve(folder: &Path, more: &[(&'static str, &str)]) -> World {
    let (certificate, key) = (path(folder, "server.pem"), path(folder, "server.key"));
    let mut flags = vec![("tls-cert-file", &*certificate), ("tls-key-file", &*key)];
    flags.extend_from_slice(more);
    world(&flags).await
}

#[tokio::test]
async fn the_port_speaks_tls_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("studio");
    authority.server(folder.path());
    let world = serve(folder.path(), &[]).await;
    let channel = connect(&world, &authority, None).await.unwrap();
    let answer = unary(channel, "GetEcho", echo("hello")).await.unwrap().into_inner();
    assert_eq!(answer.text, "hello");

    assert!(connect(&world, &Authority::new("another"), None).await.is_err());
    let plain = Endpoint::new(format!("http://{}", world.addr)).unwrap().connect().await;
    let refused = match plain {
        Err(_) => true,
        Ok(channel) => unary(channel, "GetEcho", echo("hello")).await.is_err(),
    };
    assert!(refused, "plain HTTP was answered");
    assert_eq!(world.stop().await, Outcome::Drained);
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_and_its_id_is_a_role() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, foreign) = (Authority::new("studio"), Authority::new("another"));
    authority.server(folder.path());
    std::fs::write(folder.path().join("clients.pem"), &authority.pem).unwrap();
    let clients = path(folder.path(), "clients.pem");
    let roles = format!("{MATCHMAKER}=game-server");
    let keys =
        [("jwt-secret", SECRET), ("tls-client-ca-file", &clients), ("tls-spiffe-roles", &roles)];
    let world = serve(folder.path(), &keys).await;
    let call = async |identity: Option<Shown>| {
        let channel = connect(&world, &authority, identity).await.map_err(|_| Code::Unavailable)?;
        let answer = unary(channel, "GetEcho", echo("whoami")).await;
        answer.map(|answer| answer.into_inner().text).map_err(|status| status.code())
    };
    let known = call(Some(authority.client(MATCHMAKER))).await;
    assert_eq!(known, Ok(format!("{MATCHMAKER} game-server")));
    // A certificate that says nothing to us is a connection, and not a caller.
    assert_eq!(call(Some(authority.client(STRANGER))).await, Err(Code::Unauthenticated));
    assert!(matches!(
        call(Some(foreign.client(MATCHMAKER))).await,
        Err(Code::Unavailable | Code::Unknown)
    ));
    assert!(matches!(call(None).await, Err(Code::Unavailable | Code::Unknown)));

    let optional = [&keys[..], &[("tls-client-auth", "optional")]].concat();
    let world = serve(folder.path(), &optional).await;
    let channel = connect(&world, &authority, None).await.unwrap();
    let status = unary(channel, "GetEcho", echo("whoami")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn other_processes_are_called_if_their_certificate_is_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, foreign) = (Authority::new("studio"), Authority::new("another"));
    authority.server(folder.path());
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    std::fs::write(folder.path().join("foreign.pem"), &foreign.pem).unwrap();
    let ca = path(folder.path(), "ca.pem");
    let world = serve(folder.path(), &[("tls-client-ca-file", &ca)]).await;
    let (certificate, key) = authority
        .sign(SanType::URI(MATCHMAKER.try_into().unwrap()), ExtendedKeyUsagePurpose::ClientAuth);
    std::fs::write(folder.path().join("peer.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("peer.key"), key).unwrap();
    let connector = |ca: &str, name: &str, certificate: &str| {
        let own = |name| path(folder.path(), name);
        let args = ServerArgs::default()
            .with("tls-cert-file", own("server.pem"))
            .with("tls-key-file", own("server.key"))
            .with("tls-peer-ca-file", own(ca))
            .with("tls-peer-cert-file", own(&format!("{certificate}.pem")))
            .with("tls-peer-key-file", own(&format!("{certificate}.key")))
            .with("tls-peer-name", name);
        Connector::new(&ServerConfig::resolve(&args, |_| None, None).unwrap()).unwrap()
    };
    let address = world.addr.to_string();
    let peer = Peer::new(&address, &connector("ca.pem", "gamemesh.test", "peer")).unwrap();
    let answers = async {
        while peer.channel().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answers).await.expect("it is called");
    let answer = unary(peer.channel().unwrap(), "GetEcho", echo("hello")).await.unwrap();
    assert_eq!(answer.into_inner().text, "hello");

    // Another authority, another name, and a certificate that is not for clients.
    for (ca, name, certificate) in [
        ("foreign.pem", "gamemesh.test", "peer"),
        ("ca.pem", "other.test", "peer"),
        ("ca.pem", "gamemesh.test", "server"),
    ] {
        let connector = connector(ca, name, certificate);
        let url = format!("https://{address}");
        let echo_at = [("echo".to_owned(), url)];
        let peers = Peers::new(&echo_at, Identity::none(), &connector).unwrap();
        let origin = Origin::internal(Duration::from_secs(20));
        let channel = peers.of("asking").channel("echo", origin).unwrap();
        let status = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        let status = status.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{ca} {name} {certificate}: {status:?}");
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_new_connections_and_open_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.server(folder.path());
    let world = serve(folder.path(), &[]).await;
    let open = connect(&world, &old, None).await.unwrap();
    // Half of a replacement changes nothing.
    std::fs::write(folder.path().join("server.pem"), "half").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(connect(&world, &old, None).await.is_ok());

    new.server(folder.path());
    let replaced = async {
        while connect(&world, &new, None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced).await.expect("it is read again");
    assert!(connect(&world, &old, None).await.is_err());
    assert!(unary(open, "GetEcho", echo("still here")).await.is_ok());
}
