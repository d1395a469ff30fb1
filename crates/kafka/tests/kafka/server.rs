//! The broker of these tests. What was started goes away with the test process, however it ends: a
//! shell waits for the end of its input.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

struct Shared {
    brokers: String,
    _keeper: Option<Child>,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| match std::env::var("KAFKA_BROKERS") {
    Ok(brokers) => Shared { brokers, _keeper: None },
    Err(_) => start(),
});

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
    let brokers = printed.lines().find_map(|line| line.split_once("KAFKA_BROKERS=")).unwrap().1;
    Shared { brokers: brokers.to_owned(), _keeper: Some(keeper) }
}
