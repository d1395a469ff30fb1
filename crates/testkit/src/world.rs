//! A server with its store, for as long as a test runs.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use gamemesh_client::{Client, ClientOptions};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Process, binary};

/// A server that was told to stop has ended by then.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// What a [`World`] begins with.
#[derive(Debug, Default)]
pub struct Builder {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    fault: Option<String>,
    database_url: Option<String>,
    log_level: Option<String>,
}

/// A real server and its data.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    builder: Builder,
    /// 0 until the server has listened once; then it keeps its port over restarts.
    port: u16,
    process: Option<Process>,
}

impl Builder {
    /// Adds a flag of `gamemesh serve`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl Into<String>) -> Self {
        self.flags.extend([format!("--{name}"), value.into()]);
        self
    }

    /// Only these services, as `--services` names them: faults and bounds of one service are then its own.
    #[must_use]
    pub fn services(self, names: &str) -> Self {
        self.flag("services", names)
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Ends the server at a named point, `point` or `point:n` for its n-th passing.
    #[must_use]
    pub fn fault(mut self, point: impl Into<String>) -> Self {
        self.fault = Some(point.into());
        self
    }

    /// What the server logs; by default warnings and errors.
    #[must_use]
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.log_level = Some(level.into());
        self
    }

    /// Another store than a SQLite file in the world's folder.
    #[must_use]
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.database_url = Some(url.into());
        self
    }

    /// A world whose server is not started yet.
    pub fn build(self) -> anyhow::Result<World> {
        let folder = tempfile::Builder::new().prefix("gamemesh-world-").tempdir()?;
        Ok(World { folder, builder: self, port: 0, process: None })
    }
}

impl World {
    /// One process with all services, on an empty SQLite store.
    pub async fn standalone() -> anyhow::Result<Self> {
        let mut world = Self::builder().build()?;
        world.start().await?;
        Ok(world)
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts the server, with the same store and port as before.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let port_file = self.path("port");
        let _ = std::fs::remove_file(&port_file);
        let mut command = Command::new(binary());
        clean(&mut command)
            .args(["serve", "--http-addr", &format!("127.0.0.1:{}", self.port)])
            .args(["--log-level", self.builder.log_level.as_deref().unwrap_or("warn")])
            .args(["--database-url", &self.database_url()])
            .arg("--port-file")
            .arg(&port_file)
            .args(&self.builder.flags)
            .envs(self.builder.environment.iter().cloned());
        if let Some(fault) = &self.builder.fault {
            command.env("GAMEMESH_FAULT", fault);
        }
        let mut process = Process::spawn(&mut command, &self.path("server.log"))?;
        self.port = process.port(&port_file).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Arms, or with `None` disarms, a fault point for the next start.
    pub fn set_fault(&mut self, point: Option<String>) {
        self.builder.fault = point;
    }

    /// SIGKILL: the process ends between two instructions. Its data stays.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.take().context("the server runs")?;
        process.signal(Signal::TERM)?;
        let ended = process.wait(STOP_TIMEOUT).await?;
        ended.with_context(|| format!("it does not stop:\n{}", process.log_tail()))
    }

    /// Waits for the server to end by itself, as at a fault point; `None` if it goes on running.
    pub async fn wait(&mut self, timeout: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let process = self.process.as_mut().context("the server runs")?;
        let ended = process.wait(timeout).await?;
        if ended.is_some() {
            self.process = None;
        }
        Ok(ended)
    }

    /// Holds the server still, or lets it go on.
    pub fn pause(&self, still: bool) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("the server runs")?;
        process.signal(if still { Signal::STOP } else { Signal::CONT })
    }

    pub async fn client(&self) -> anyhow::Result<Client> {
        self.client_with(ClientOptions::default()).await
    }

    pub async fn client_with(&self, options: ClientOptions) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.url(), options).await?)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn database_url(&self) -> String {
        match &self.builder.database_url {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", self.path("data/gamemesh.db").display()),
        }
    }

    /// A file in the world's folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The id of the server's process.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The end of what the server printed.
    pub fn log_tail(&self) -> String {
        self.process.as_ref().map(Process::log_tail).unwrap_or_default()
    }
}

/// Takes away what a developer's shell may have set, so that tests mean the same everywhere.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    // The last one is how a test tries another on a server with a defect.
    const KEPT: [&str; 7] =
        ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE", "LANG", "GAMEMESH_DEFECT"];
    command.env_clear();
    command.envs(KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))))
}
