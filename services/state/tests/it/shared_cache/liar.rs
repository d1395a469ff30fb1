//! A shared cache that tests watch, and that can be worse than any real one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gamemesh_cache::{Announcement, BroadcastEvent, Envelope, Fill, L2, L2Error, LocalL2};
use parking_lot::Mutex;
use rand::Rng as _;
use tokio::sync::{broadcast, watch};

/// Where in what is told the time of the first event lies: after a seal, a position and a version.
const TIME_AT: std::ops::Range<usize> = 32..40;

/// What it does to its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Keeps nothing new.
    Forgetful,
    /// Answers any envelope that it was ever given for the key, keeps none, says that others fill it, and
    /// announces what nobody has written.
    Old,
    /// Honest, but every event that it passes on happened at another time.
    Forging,
    /// Refuses everything.
    Away,
    /// Never answers.
    Hanging,
    /// One of these or another, anew for each call.
    Erratic,
}

/// One caller of it; clones share everything.
#[derive(Clone)]
pub(super) struct Liar {
    inner: LocalL2,
    seen: Arc<Seen>,
}

struct Seen {
    manner: Mutex<Manner>,
    /// Everything that was ever put.
    put: Mutex<HashMap<String, Vec<Envelope>>>,
    /// The newest version of each key that is there.
    newest: watch::Sender<BTreeMap<String, u64>>,
}

impl Liar {
    pub(super) fn new(inner: LocalL2) -> Self {
        let seen = Seen {
            manner: Mutex::new(Manner::Honest),
            put: Mutex::default(),
            newest: watch::Sender::default(),
        };
        Self { inner, seen: Arc::new(seen) }
    }

    /// The same cache for another instance.
    pub(super) fn port(&self) -> Arc<dyn L2> {
        Arc::new(self.clone())
    }

    pub(super) fn behave(&self, manner: Manner) {
        *self.seen.manner.lock() = manner;
    }

    /// Forgets all values.
    pub(super) fn flush(&self) {
        self.inner.flush();
        self.seen.newest.send_modify(BTreeMap::clear);
    }

    /// Waits until a version of a stream, or a newer one, has been put.
    pub(super) async fn has(&self, stream: &str, version: u64) {
        let there = |put: &BTreeMap<String, u64>| {
            put.iter().any(|(key, newest)| key.ends_with(stream) && *newest >= version)
        };
        let mut newest = self.seen.newest.subscribe();
        let waiting = newest.wait_for(there);
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "version {version} of {stream} was never shared");
    }

    /// The manner of one call.
    fn manner(&self) -> Manner {
        match *self.seen.manner.lock() {
            Manner::Erratic => {
                // After a failure it is left alone for a while, so there are few.
                match rand::rng().random_range(0..400) {
                    0 => Manner::Hanging,
                    1 => Manner::Away,
                    even if even % 2 == 0 => Manner::Honest,
                    _ => Manner::Old,
                }
            }
            manner => manner,
        }
    }

    async fn fail<T>(manner: Manner) -> Result<T, L2Error> {
        if manner == Manner::Hanging {
            std::future::pending::<()>().await;
        }
        Err(L2Error::Unavailable("as a test wants it".to_owned()))
    }
}

#[async_trait]
impl L2 for Liar {
    async fn get(&self, key: &str) -> Result<Option<Envelope>, L2Error> {
        match self.manner() {
            Manner::Honest | Manner::Forging | Manner::Forgetful | Manner::Erratic => {
                self.inner.get(key).await
            }
            Manner::Old => {
                let put = self.seen.put.lock();
                let Some(all) = put.get(key) else { return Ok(None) };
                Ok(Some(all[rand::rng().random_range(0..all.len())].clone()))
            }
            manner => Self::fail(manner).await,
        }
    }

    async fn put(&self, key: &str, envelope: Envelope) -> Result<(), L2Error> {
        self.seen.put.lock().entry(key.to_owned()).or_default().push(envelope.clone());
        let version = envelope.version;
        match self.manner() {
            Manner::Honest | Manner::Forging | Manner::Erratic => {
                self.inner.put(key, envelope).await?;
            }
            Manner::Old | Manner::Forgetful => {}
            manner => Self::fail(manner).await?,
        }
        self.seen.newest.send_modify(|newest| {
            let known = newest.entry(key.to_owned()).or_default();
            *known = version.max(*known);
        });
        Ok(())
    }

    async fn claim(&self, key: &str) -> Result<Fill, L2Error> {
        match self.manner() {
            Manner::Honest | Manner::Forging | Manner::Forgetful | Manner::Erratic => {
                self.inner.claim(key).await
            }
            Manner::Old => Ok(Fill::Others),
            manner => Self::fail(manner).await,
        }
    }

    async fn announce(&self, announcement: Announcement) -> Result<(), L2Error> {
        match self.manner() {
            Manner::Honest | Manner::Forgetful | Manner::Erratic => {
                self.inner.announce(announcement).await
            }
            Manner::Forging => {
                let mut payload = announcement.payload.to_vec();
                payload.get_mut(TIME_AT).into_iter().for_each(|time| time[6] ^= 1);
                self.inner.announce(Announcement { payload: payload.into(), ..announcement }).await
            }
            // Twice, and of a place that nobody has reached.
            Manner::Old => {
                let beyond = Announcement { to: u64::MAX, ..announcement };
                self.inner.announce(beyond.clone()).await?;
                self.inner.announce(beyond).await
            }
            manner => Self::fail(manner).await,
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<BroadcastEvent> {
        self.inner.subscribe()
    }

    async fn ping(&self) -> Result<(), L2Error> {
        self.inner.ping().await
    }
}
