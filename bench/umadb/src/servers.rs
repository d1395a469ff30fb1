//! The two servers, each in a process of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

/// A server that does not listen by then has failed.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that ends when this is dropped.
pub struct Server {
    address: String,
    _process: Child,
}

impl Server {
    /// This program again, as UmaDB's server.
    pub async fn umadb(folder: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let address = free()?;
        command.arg("serve").arg(folder.join("umadb.db")).arg(&address);
        Self::start(command, address).await
    }

    pub async fn gamemesh(folder: &Path) -> Result<Self> {
        let binary = std::env::var("GAMEMESH_BIN");
        let mut command = Command::new(binary.as_deref().unwrap_or("target/laid-out/gamemesh"));
        let url = std::env::var("DATABASE_URL")
            .unwrap_or_else(|_| format!("sqlite://{}", folder.join("gamemesh.db").display()));
        let address = free()?;
        command.args(["serve", "--log-level", "error", "--http-addr", &address]);
        command.args(["--database-url", &url]);
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: String) -> Result<Self> {
        let program = command.as_std().get_program().to_owned();
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let began = Instant::now();
        while TcpStream::connect(&address).await.is_err() {
            if let Some(status) = process.try_wait()? {
                bail!("{} ended with {status}", program.display());
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("{} does not listen after {START_TIMEOUT:?}", program.display());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, _process: process })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An address that was free a moment ago.
fn free() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// UmaDB's server as its own program starts it, until the process ends.
pub async fn serve_umadb(file: &str, address: &str) -> Result<()> {
    let (_never, stop) = oneshot::channel();
    umadb_server::start_server(file, address, stop).await.map_err(|error| anyhow!("{error}"))
}
