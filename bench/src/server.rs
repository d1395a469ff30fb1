//! Servers under test, and those that they are compared with: children of this process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gamemesh_client::v1::state_service_client::StateServiceClient;
use gamemesh_contracts::stats::v1::match_stats_service_client::MatchStatsServiceClient;

use crate::connection::Connection;
use crate::exit::{Outcome, Problem};

/// A child that does not listen by then has failed.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Linux counts processor time for its users in hundredths of a second.
const CLOCK_TICK_MS: u64 = 10;

/// What servers under test get of this process's environment, so that both sides of a pair have the same:
/// the disk that `bench/slow-sync` makes slow, and whether threads keep to their processors.
const INHERITED: [&str; 3] = ["LD_PRELOAD", "SLOW_SYNC_US", "PIN_THREADS"];

/// A server in its own process. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
}

pub(crate) type Stub = StateServiceClient<Connection>;

pub(crate) type StatsStub = MatchStatsServiceClient<Connection>;

impl Server {
    /// The product, all layers on, with an empty SQLite store of its own in `dir`.
    pub(crate) async fn product(dir: &Path) -> Outcome<Self> {
        let store = tempfile::Builder::new().prefix("store-").tempdir_in(dir)?.keep();
        let url = format!("sqlite://{}", store.join("gamemesh.db").display());
        Self::on(dir, &url, &[]).await
    }

    /// The same on this store, with further flags of `gamemesh serve`.
    pub(crate) async fn on(dir: &Path, database_url: &str, flags: &[&str]) -> Outcome<Self> {
        let address = ["--log-level", "error", "--http-addr", "127.0.0.1:0"];
        let store = ["--database-url", database_url];
        let args = [&["serve"], &address[..], &store, flags].concat();
        Self::start(dir, &product_binary()?, &args).await
    }

    /// The baseline of the hot reads: answers these bytes, with nothing else to do.
    pub(crate) async fn baseline(dir: &Path, kind: &str, answer: &Path) -> Outcome<Self> {
        let answer = answer.display().to_string();
        let args = ["baseline", "--kind", kind, "--answer", &answer];
        Self::start(dir, &std::env::current_exe()?, &args).await
    }

    /// A bare WebSocket server that returns what it is sent.
    pub(crate) async fn echo(dir: &Path) -> Outcome<Self> {
        Self::start(dir, &std::env::current_exe()?, &["baseline", "--kind", "echo"]).await
    }

    async fn start(dir: &Path, binary: &Path, args: &[&str]) -> Outcome<Self> {
        let port_file = tempfile::Builder::new().prefix("port-").tempfile_in(dir)?.into_temp_path();
        let port_file = port_file.keep().map_err(Problem::failed)?;
        std::fs::remove_file(&port_file)?;
        let child = Command::new(binary)
            .args(args)
            // What is measured is what the flags say: this process's REDIS_URL is not the product's.
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .arg("--port-file")
            .arg(&port_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut server = Self { child, address: String::new() };
        let began = Instant::now();
        loop {
            if let Ok(port) = std::fs::read_to_string(&port_file)
                && let Ok(port) = port.trim().parse::<u16>()
            {
                server.address = format!("127.0.0.1:{port}");
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(Problem::failed(format!("{args:?} ended with {status}")));
            }
            if began.elapsed() > START_TIMEOUT {
                return Err(Problem::failed(format!(
                    "{args:?} does not listen after {START_TIMEOUT:?}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Stubs over as many connections of their own.
    pub(crate) async fn stubs(&self, connections: usize) -> Outcome<Vec<Stub>> {
        self.connected(connections, StateServiceClient::with_origin).await
    }

    /// The same for the stats service.
    pub(crate) async fn stats_stubs(&self, connections: usize) -> Outcome<Vec<StatsStub>> {
        self.connected(connections, MatchStatsServiceClient::with_origin).await
    }

    async fn connected<T>(
        &self,
        connections: usize,
        stub: impl Fn(Connection, http::Uri) -> T,
    ) -> Outcome<Vec<T>> {
        let origin = format!("http://{}", self.address);
        let origin = http::Uri::try_from(origin).map_err(Problem::failed)?;
        let mut stubs = Vec::with_capacity(connections);
        for _ in 0..connections {
            let connection = Connection::open(&self.address).await?;
            stubs.push(stub(connection, origin.clone()));
        }
        Ok(stubs)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .and_then(|kib| kib.trim().parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .ok_or_else(|| Problem::failed("the system does not tell a process's resident memory"))
    }

    /// Processor time that it has taken so far, of all of its threads.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may have spaces in it; user and system time are the 12th and 13th after.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
        match ticks[..] {
            [user, system] => Ok(Duration::from_millis((user + system) * CLOCK_TICK_MS)),
            _ => Err(Problem::failed("the system does not tell a process's processor time")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test.
fn product_binary() -> Outcome<PathBuf> {
    let named = std::env::var_os("GAMEMESH_BIN").map(PathBuf::from);
    let binary = named.map_or_else(|| beside_this_program("gamemesh"), Ok)?;
    if binary.exists() {
        return Ok(binary);
    }
    Err(Problem::failed(format!(
        "{} is not there: build it, or name the program in GAMEMESH_BIN",
        binary.display()
    )))
}

fn beside_this_program(name: &str) -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// What a call of the load generator failed with.
pub(crate) fn failed(status: tonic::Status) -> Problem {
    gamemesh_client::Error::from(status).into()
}
