//! A PostgreSQL server of one test, which may break it. It is started by `scripts/services` and goes
//! away with the test process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::keeper::{Keeper, keeper};

/// A server that was killed is gone by then.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// An empty server with a database.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    folder: PathBuf,
    _keeper: Keeper,
}

impl Postgres {
    pub fn start() -> anyhow::Result<Self> {
        // The server runs as another user, so the folder is removed by the shell that ends it.
        let folder = tempfile::Builder::new().prefix("gamemesh-postgres-").tempdir()?.keep();
        let keeper = keeper(&format!(
            "GAMEMESH_SERVICES_DIR='{0}' '{1}' down postgres; rm -rf '{0}'",
            folder.display(),
            services()?.display(),
        ))?;
        let printed = run(&folder, &["up", "postgres"])?;
        let url = printed
            .lines()
            .find_map(|line| line.split_once("POSTGRES_URL="))
            .context("scripts/services prints the URL")?
            .1
            .to_owned();
        Ok(Self { url, folder, _keeper: keeper })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as a crash would: no checkpoint, and the next start recovers from the log.
    pub fn kill(&self) -> anyhow::Result<()> {
        let postmaster = self.postmaster()?;
        signal("QUIT", std::slice::from_ref(&postmaster))?;
        let began = Instant::now();
        while Path::new("/proc").join(&postmaster).exists() {
            ensure!(began.elapsed() < END_TIMEOUT, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub fn start_again(&self) -> anyhow::Result<()> {
        run(&self.folder, &["start", "postgres"]).map(drop)
    }

    /// Holds it still with its connections open, or lets it go on.
    pub fn pause(&self, still: bool) -> anyhow::Result<()> {
        signal(if still { "STOP" } else { "CONT" }, &self.processes()?)
    }

    fn postmaster(&self) -> anyhow::Result<String> {
        let file = std::fs::read_to_string(self.folder.join("postgres/data/postmaster.pid"))?;
        Ok(file.lines().next().context("the file names the process")?.to_owned())
    }

    /// The postmaster first, so that it makes no more children.
    fn processes(&self) -> anyhow::Result<Vec<String>> {
        let postmaster = self.postmaster()?;
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(children)?;
        let children = children.split_whitespace().map(str::to_owned);
        Ok(std::iter::once(postmaster).chain(children).collect())
    }
}

/// A process that has ended meanwhile needs no signal.
fn signal(name: &str, processes: &[String]) -> anyhow::Result<()> {
    Command::new("kill").args(["-s", name]).args(processes).stderr(Stdio::null()).status()?;
    Ok(())
}

fn services() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services").canonicalize()?)
}

fn run(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(services()?)
        .args(arguments)
        .env("GAMEMESH_SERVICES_DIR", folder)
        .stdin(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "scripts/services {arguments:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}
