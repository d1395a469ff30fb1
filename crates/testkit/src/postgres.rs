//! A PostgreSQL server of one test, which may break it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::services::Services;

/// A server that was killed is gone by then.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// An empty server with a database.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    service: &'static str,
    services: Services,
}

impl Postgres {
    pub fn start() -> anyhow::Result<Self> {
        Self::up("postgres", "POSTGRES_URL")
    }

    /// The same with pgvector.
    pub fn with_vectors() -> anyhow::Result<Self> {
        Self::up("pgvector", "PGVECTOR_URL")
    }

    fn up(service: &'static str, variable: &str) -> anyhow::Result<Self> {
        let (services, url) = Services::up(service, variable)?;
        Ok(Self { url, service, services })
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
        self.services.run(&["start", self.service]).map(drop)
    }

    /// Holds it still with its connections open, or lets it go on.
    pub fn pause(&self, still: bool) -> anyhow::Result<()> {
        signal(if still { "STOP" } else { "CONT" }, &self.processes()?)
    }

    /// Where the server keeps its data. It may run as another user.
    pub fn data_folder(&self) -> PathBuf {
        self.services.folder(self.service).join("data")
    }

    fn postmaster(&self) -> anyhow::Result<String> {
        let file = self.data_folder().join("postmaster.pid");
        let file = std::fs::read_to_string(file)?;
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

/// A primary with three streaming standbys.
#[derive(Debug)]
pub struct PostgresCluster {
    url: String,
    replicas: Vec<String>,
    services: Services,
}

impl PostgresCluster {
    pub fn start() -> anyhow::Result<Self> {
        let (services, url) = Services::up("postgres-cluster", "POSTGRES_PRIMARY_URL")?;
        let replicas = services.variable("POSTGRES_REPLICA_URLS")?;
        let replicas = replicas.split(',').map(str::to_owned).collect();
        Ok(Self { url, replicas, services })
    }

    /// Of the primary.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of the standbys.
    pub fn replicas(&self) -> &[String] {
        &self.replicas
    }

    /// Ends a standby, counted from 0, as a crash would.
    pub fn kill(&self, standby: usize) -> anyhow::Result<()> {
        self.services.run(&["kill", &member(standby)]).map(drop)
    }

    pub fn start_again(&self, standby: usize) -> anyhow::Result<()> {
        self.services.run(&["start", &member(standby)]).map(drop)
    }

    /// Holds it still with its connections open, or lets it go on.
    pub fn pause(&self, standby: usize, still: bool) -> anyhow::Result<()> {
        self.services.run(&[if still { "stop" } else { "cont" }, &member(standby)]).map(drop)
    }
}

/// The first is the primary.
fn member(standby: usize) -> String {
    format!("postgres-cluster-{}", standby + 2)
}

/// A process that has ended meanwhile needs no signal.
fn signal(name: &str, processes: &[String]) -> anyhow::Result<()> {
    Command::new("kill").args(["-s", name]).args(processes).stderr(Stdio::null()).status()?;
    Ok(())
}
