//! Servers for tests. What was started, or made on a server that was there, goes away with the test
//! process, however it ends: a shell waits for the end of its input.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// The server that most tests share, each with a schema of its own.
struct Shared {
    url: String,
    _keeper: Child,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| match std::env::var("POSTGRES_URL") {
    Ok(url) => {
        let database = format!("gamemesh_test_{}", std::process::id());
        let (base, query) = url.split_once('?').unwrap_or((&url, ""));
        let server = base.rsplit_once('/').unwrap().0;
        psql(&url, &format!("CREATE DATABASE {database}"));
        let keeper = keeper(&format!("psql '{url}' -c 'DROP DATABASE {database} WITH (FORCE)'"));
        Shared { url: format!("{server}/{database}?{query}"), _keeper: keeper }
    }
    Err(_) => {
        let Server { url, keeper, .. } = Server::start();
        Shared { url, _keeper: keeper }
    }
});

/// A server of its own, for tests that end it.
pub(crate) struct Server {
    pub(crate) url: String,
    folder: PathBuf,
    keeper: Child,
}

/// Where one store is: a schema of a server.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
}

impl Place {
    pub(crate) async fn fresh() -> Self {
        let url = tokio::task::spawn_blocking(|| SHARED.url.clone()).await.unwrap();
        Self::on(&url).await
    }

    pub(crate) async fn on(url: &str) -> Self {
        let schema = format!("s{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let joint = if url.contains('?') { '&' } else { '?' };
        Self { url: format!("{url}{joint}options=-c%20search_path%3D{schema}") }
    }

    pub(crate) async fn open(&self) -> std::sync::Arc<PostgresStore> {
        PostgresStore::open(&self.url, options()).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

/// Few connections: many stores share a server.
pub(crate) fn options() -> PostgresOptions {
    PostgresOptions { connections_min: 0, connections_max: 12, ..PostgresOptions::default() }
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder =
            tempfile::Builder::new().prefix("gamemesh-postgres-").tempdir().unwrap().keep();
        // The server runs as another user.
        let keeper = keeper(&format!(
            "GAMEMESH_SERVICES_DIR='{0}' '{1}' down postgres; rm -rf '{0}'",
            folder.display(),
            services().display(),
        ));
        let printed = run(&folder, &["up", "postgres"]);
        let url = printed.lines().find_map(|line| line.split_once("POSTGRES_URL=")).unwrap().1;
        Self { url: url.to_owned(), folder, keeper }
    }

    /// Ends it as a crash would: no checkpoint, and the next start recovers from the log.
    pub(crate) fn kill(&self) {
        let postmaster = self.postmaster();
        signal("QUIT", std::slice::from_ref(&postmaster));
        let began = Instant::now();
        while Path::new("/proc").join(&postmaster).exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn start_again(&self) {
        run(&self.folder, &["start", "postgres"]);
    }

    /// It hangs; its connections stay open.
    pub(crate) fn stop(&self) {
        signal("STOP", &self.processes());
    }

    pub(crate) fn cont(&self) {
        signal("CONT", &self.processes());
    }

    fn postmaster(&self) -> String {
        let pid_file = self.folder.join("postgres/data/postmaster.pid");
        std::fs::read_to_string(pid_file).unwrap().lines().next().unwrap().to_owned()
    }

    /// The postmaster first, so that it makes no more children.
    fn processes(&self) -> Vec<String> {
        let postmaster = self.postmaster();
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(children).unwrap();
        std::iter::once(postmaster).chain(children.split_whitespace().map(str::to_owned)).collect()
    }
}

/// A process that has ended meanwhile needs no signal.
fn signal(name: &str, processes: &[String]) {
    Command::new("kill").args(["-s", name]).args(processes).stderr(Stdio::null()).status().unwrap();
}

fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services").canonicalize().unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(services())
        .args(arguments)
        .env("GAMEMESH_SERVICES_DIR", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn psql(url: &str, sql: &str) {
    let status = Command::new("psql").args([url, "-qc", sql]).status().unwrap();
    assert!(status.success(), "{sql}");
}

/// Runs a command when this process has ended, whatever ended it.
fn keeper(command: &str) -> Child {
    Command::new("setsid")
        .args(["sh", "-c", &format!("cat >/dev/null; {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
