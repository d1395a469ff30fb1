//! What an operator chooses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gamemesh_cache::Lifetimes;
use redis::{ClientTlsConfig, TlsCertificates};

use crate::error::OpenError;

/// How a cache is used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Commands in flight at a time. On a single server each has a connection of its own, and
    /// reads that arrive together are sent as one; the nodes of a cluster have one connection each,
    /// which all commands share.
    pub connections_max: u32,
    /// Callers that may wait for a connection, and reads that may wait for the next batch; the next one
    /// is refused at once.
    pub waiters_max: u32,
    /// How long one of them waits, though never more than half the time of an operation.
    pub wait_max: Duration,
    /// How long an operation may take: waiting, connecting and the answer together. It saves a read of the
    /// database, so it is not worth more time than a few of those take.
    pub timeout: Duration,
    /// The largest value that is put: a larger one would delay others for longer than the database takes
    /// to read it.
    pub value_bytes_max: usize,
    pub lifetimes: Lifetimes,
    /// For servers whose URL begins with `rediss://`.
    pub tls: RedisTls,
}

/// Files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// The authorities that sign the servers' certificates; `None`: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the servers are shown, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            connections_max: 100,
            waiters_max: 100,
            wait_max: Duration::from_secs(5),
            timeout: Duration::from_millis(100),
            value_bytes_max: 1 << 20,
            lifetimes: Lifetimes::default(),
            tls: RedisTls::default(),
        }
    }
}

impl RedisOptions {
    /// How long a caller waits for a connection: what is left must do for the command itself.
    pub(crate) fn queue_wait_max(&self) -> Duration {
        self.wait_max.min(self.timeout / 2)
    }
}

impl RedisTls {
    /// What the files have now.
    pub(crate) fn certificates(&self) -> Result<TlsCertificates, OpenError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| OpenError::File {
                path: path.to_owned(),
                why: source.to_string(),
            })
        };
        let client = |(certificate, key): &(PathBuf, PathBuf)| {
            let (client_cert, client_key) = (read(certificate)?, read(key)?);
            Ok(ClientTlsConfig { client_cert, client_key })
        };
        Ok(TlsCertificates {
            client_tls: self.certificate.as_ref().map(client).transpose()?,
            root_cert: self.ca_file.as_deref().map(read).transpose()?,
        })
    }
}
