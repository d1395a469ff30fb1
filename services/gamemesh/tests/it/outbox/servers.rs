//! Real servers for these tests. What was started goes away with the test process, however it ends: a
//! shell waits for the end of its input.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

/// The broker that tests share, each with a topic of its own.
static SHARED: LazyLock<Servers> = LazyLock::new(|| Servers::start(&["kafka"]));

pub(super) struct Servers {
    folder: PathBuf,
    printed: String,
    environment: Vec<(String, String)>,
    _keeper: Child,
}

impl Servers {
    pub(super) fn start(names: &[&str]) -> Self {
        Self::start_with(names, &[])
    }

    /// With variables for `scripts/services`.
    pub(super) fn start_with(names: &[&str], environment: &[(&str, String)]) -> Self {
        let prefix = tempfile::Builder::new().prefix("gamemesh-outbox-").tempdir().unwrap();
        let folder = prefix.keep();
        let end = format!(
            "cat >/dev/null; GAMEMESH_SERVICES_DIR='{0}' '{1}' down {2}; rm -rf '{0}'",
            folder.display(),
            services().display(),
            names.join(" "),
        );
        let keeper = Command::new("setsid")
            .args(["sh", "-c", &end])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let environment = environment.collect();
        let mut servers = Self { folder, printed: String::new(), environment, _keeper: keeper };
        servers.printed = servers.run("up", names);
        servers
    }

    /// The URL that was printed under this name.
    pub(super) fn url(&self, name: &str) -> String {
        let name = format!("{name}=");
        let found = self.printed.lines().find_map(|line| line.split_once(&name));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.printed)).1.to_owned()
    }

    pub(super) fn run(&self, verb: &str, names: &[&str]) -> String {
        let output = Command::new(services())
            .arg(verb)
            .args(names)
            .env("GAMEMESH_SERVICES_DIR", &self.folder)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Address of the shared broker.
pub(in crate::it) async fn brokers() -> String {
    let shared = || match std::env::var("KAFKA_BROKERS") {
        Ok(brokers) => brokers,
        Err(_) => SHARED.url("KAFKA_BROKERS"),
    };
    tokio::task::spawn_blocking(shared).await.unwrap()
}

fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services").canonicalize().unwrap()
}
