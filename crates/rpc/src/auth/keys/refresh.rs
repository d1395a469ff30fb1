//! Keeping public keys current.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Keys, PublicKeys, fetch};
use crate::config::JwksSource;
use crate::replaced::stamp;

/// How often a source is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// A file is looked at this often.
    pub(super) file: Duration,
    /// A URL is fetched this often, so that a new key is known before it is used.
    pub(super) url: Duration,
    /// While there are no keys at all, a URL is asked this often.
    pub(super) without_keys: Duration,
    /// A token that names an unknown key causes a fetch, and not more than one in this time.
    pub(super) unknown_key: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            file: Duration::from_secs(5),
            url: Duration::from_secs(300),
            without_keys: Duration::from_secs(2),
            unknown_key: Duration::from_secs(60),
        }
    }
}

/// Replaces the public keys as their source changes. If the source is away or malformed, the keys stay.
pub struct JwksRefresh {
    keys: Keys,
    source: JwksSource,
    pauses: Pauses,
}

impl JwksRefresh {
    pub(super) fn new(keys: Keys, source: JwksSource, pauses: Pauses) -> Self {
        Self { keys, source, pauses }
    }

    /// Runs until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            match &self.source {
                JwksSource::File(path) => self.follow_file(path).await,
                JwksSource::Url(uri) => self.follow_url(uri).await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn follow_file(&self, path: &Path) {
        let mut seen = stamp(path);
        loop {
            tokio::time::sleep(self.pauses.file).await;
            let now = stamp(path);
            if now == seen {
                continue;
            }
            seen = now;
            match PublicKeys::of_file(path) {
                Ok(keys) => self.replace(keys),
                Err(error) => tracing::error!(%error, "the public keys stay as they were"),
            }
        }
    }

    async fn follow_url(&self, uri: &Uri) {
        loop {
            let fetched_at = Instant::now();
            let has_keys = match fetch::fetch(uri).await {
                Ok(keys) => {
                    self.replace(keys);
                    true
                }
                Err(error) => {
                    tracing::error!(%uri, error, "the public keys could not be fetched");
                    self.keys.require_public().is_ok()
                }
            };
            if !has_keys {
                tokio::time::sleep(self.pauses.without_keys).await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(self.pauses.url) => {}
                () = self.keys.unknown_key() => {
                    tokio::time::sleep_until(fetched_at + self.pauses.unknown_key).await;
                }
            }
        }
    }

    fn replace(&self, keys: PublicKeys) {
        self.keys.replace(keys);
        tracing::info!("the public keys are read");
    }
}
