//! The broker of these tests. What was started goes away with the test process, however it ends: a
//! shell waits for the end of its input.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

struct Shared {
    brokers: String,
    secure: Option<Secure>,
    _keeper: Option<Child>,
}

/// The same broker with TLS, for those who show who they are.
#[derive(Clone)]
pub(crate) struct Secure {
    pub(crate) brokers: String,
    pub(crate) ca_file: PathBuf,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| match std::env::var("KAFKA_BROKERS") {
    Ok(brokers) => {
        let secure = std::env::var("KAFKA_SECURE_BROKERS").ok();
        let ca_file = std::env::var("KAFKA_SECURE_CA_FILE").ok();
        let secure = secure.zip(ca_file);
        let secure = secure.map(|(brokers, ca_file)| Secure { brokers, ca_file: ca_file.into() });
        Shared { brokers, secure, _keeper: None }
    }
    Err(_) => start(),
});

/// `None` if the broker that the environment names has no such side.
pub(crate) async fn secure() -> Option<Secure> {
    tokio::task::spawn_blocking(|| SHARED.secure.clone()).await.unwrap()
}

/// `host:port`.
pub(crate) async fn brokers() -> String {
    tokio::task::spawn_blocking(|| SHARED.brokers.clone()).await.unwrap()
}

fn start() -> Shared {
    let folder = tempfile::Builder::new().prefix("gamemesh-kafka-").tempdir().unwrap().keep();
    let services = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../scripts/services")
        .canonicalize()
        .unwrap();
    let end = format!(
        "cat >/dev/null; GAMEMESH_SERVICES_DIR='{0}' '{1}' down kafka; rm -rf '{0}'",
        folder.display(),
        services.display(),
    );
    let keeper = Command::new("setsid")
        .args(["sh", "-c", &end])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = Command::new(services)
        .args(["up", "kafka"])
        .env("GAMEMESH_SERVICES_DIR", &folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let value = |name: &str| {
        let line =
            printed.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name));
        line.unwrap().strip_prefix('=').unwrap().to_owned()
    };
    let brokers = value("KAFKA_SECURE_BROKERS");
    let secure = Secure { brokers, ca_file: value("KAFKA_SECURE_CA_FILE").into() };
    Shared { brokers: value("KAFKA_BROKERS"), secure: Some(secure), _keeper: Some(keeper) }
}
