//! Redis servers of one test, which may break them.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::services::{Services, output};

/// Nodes of a cluster: three primaries and a replica of each.
pub const CLUSTER_NODES: usize = 6;

/// An empty server that keeps nothing on disk unless it is told to.
#[derive(Debug)]
pub struct Redis {
    url: String,
    services: Services,
}

impl Redis {
    pub fn start() -> anyhow::Result<Self> {
        let (services, url) = Services::up("redis", "REDIS_URL")?;
        Ok(Self { url, services })
    }

    /// One that speaks TLS only and asks for certificates, by `ca.pem`, `server.pem` and `server.key` of a
    /// folder.
    pub fn start_tls(certificates: &Path) -> anyhow::Result<Self> {
        let (services, url) = Services::up_with("redis", "REDIS_URL", Some(certificates.into()))?;
        Ok(Self { url, services })
    }

    /// `redis://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it without warning: what it held is gone.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.services.run(&["kill", "redis"]).map(drop)
    }

    /// With what was saved last, or nothing.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.services.run(&["start", "redis"]).map(drop)
    }

    /// Holds it still with its connections open, or lets it go on.
    pub fn pause(&self, still: bool) -> anyhow::Result<()> {
        self.services.run(&[if still { "stop" } else { "cont" }, "redis"]).map(drop)
    }

    pub fn flush(&self) -> anyhow::Result<()> {
        self.command(&["FLUSHALL"]).map(drop)
    }

    /// Writes down what it holds now, for the starts to come.
    pub fn save(&self) -> anyhow::Result<()> {
        self.command(&["SAVE"]).map(drop)
    }

    /// What it answers, as text.
    pub fn command(&self, command: &[&str]) -> anyhow::Result<String> {
        command_at(&self.url, command)
    }
}

/// An empty cluster of [`CLUSTER_NODES`].
#[derive(Debug)]
pub struct RedisCluster {
    url: String,
    services: Services,
}

impl RedisCluster {
    pub fn start() -> anyhow::Result<Self> {
        let (services, url) = Services::up("redis-cluster", "REDIS_CLUSTER_URL")?;
        Ok(Self { url, services })
    }

    /// The same with TLS, also between its nodes.
    pub fn start_tls(certificates: &Path) -> anyhow::Result<Self> {
        let tls = Some(certificates.into());
        let (services, url) = Services::up_with("redis-cluster", "REDIS_CLUSTER_URL", tls)?;
        Ok(Self { url, services })
    }

    /// The URLs of all nodes, separated by commas.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The nodes from 1 on; the first three are primaries at first.
    pub fn nodes(&self) -> std::ops::RangeInclusive<usize> {
        1..=CLUSTER_NODES
    }

    pub fn kill(&self, node: usize) -> anyhow::Result<()> {
        self.services.run(&["kill", &name(node)]).map(drop)
    }

    /// The node as it was, once the cluster is whole again.
    pub fn start_again(&self, node: usize) -> anyhow::Result<()> {
        self.services.run(&["start", &name(node)]).map(drop)
    }

    pub fn pause(&self, node: usize, still: bool) -> anyhow::Result<()> {
        self.services.run(&[if still { "stop" } else { "cont" }, &name(node)]).map(drop)
    }

    pub fn flush(&self) -> anyhow::Result<()> {
        for node in self.nodes().filter(|node| self.is_primary(*node)) {
            self.command(node, &["FLUSHALL"])?;
        }
        Ok(())
    }

    /// Whether the node answers and has slots.
    pub fn is_primary(&self, node: usize) -> bool {
        self.command(node, &["ROLE"]).is_ok_and(|role| role.starts_with("master"))
    }

    /// What one node answers, as text.
    pub fn command(&self, node: usize, command: &[&str]) -> anyhow::Result<String> {
        let url = self.url.split(',').nth(node - 1).context("nodes count from 1")?;
        command_at(url, command)
    }
}

fn name(node: usize) -> String {
    format!("redis-cluster-{node}")
}

fn command_at(url: &str, command: &[&str]) -> anyhow::Result<String> {
    // One that stands still would never answer.
    output(Command::new("timeout").args(["5", "redis-cli", "-u", url]).args(command))
}
