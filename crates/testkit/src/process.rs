//! One server process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A server that does not listen by then has failed.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a process and its files are looked at.
const TICK: Duration = Duration::from_millis(5);

/// The binary under test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GAMEMESH_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a process knows its own file");
    test.ancestors()
        .map(|folder| folder.join("gamemesh"))
        .find(|path| path.is_file())
        .expect("the binary is beside the tests: run `cargo build -p gamemesh` first")
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the binary; its output is appended to `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until the process has written its port to `port_file`.
    pub(crate) async fn port(&mut self, port_file: &Path) -> anyhow::Result<u16> {
        let began = Instant::now();
        loop {
            if let Ok(port) = std::fs::read_to_string(port_file) {
                return Ok(port.trim().parse()?);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.log_tail());
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("the server does not listen after {START_TIMEOUT:?}:\n{}", self.log_tail());
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits for the process to end by itself; `None` if it has not by then.
    pub(crate) async fn wait(&mut self, timeout: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if began.elapsed() > timeout {
                return Ok(None);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(id.context("a child has an id")?, signal)?)
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The end of what the process printed.
    pub(crate) fn log_tail(&self) -> String {
        const LINES: usize = 40;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
