//! The port of a cache that instances share.
//!
//! Nothing that comes from it is trusted: a value says up to which position of the log it was the
//! newest, and the reader decides whether that is enough. A cache that is gone, flushed, slow or an old
//! copy of itself costs time, never correctness.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

/// Events that wait for one subscriber. One that falls further behind gets `RecvError::Lagged`, which is an
/// interruption too.
pub const BROADCAST_EVENTS_MAX: usize = 4_096;

/// How long a cache keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of a value, give or take a fifth: what was put together should not expire together.
    pub value: Duration,
    /// Of a claim: longer than a fill takes, and as long as others wait for a caller that has died.
    pub claim: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { value: Duration::from_secs(300), claim: Duration::from_secs(1) }
    }
}

/// A value on its way to or from the shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub version: u64,
    /// The log's lane of this key has been seen up to here, and this version was the newest.
    pub as_of: u64,
    /// Names the code that made the value; that of other code is passed over.
    pub reducer: u64,
    pub value: Bytes,
}

/// Changes of one lane. Of one caller they go up, and beside others' they leave gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub lane: u16,
    /// The changes lie after this position,
    pub after: u64,
    /// up to this one.
    pub to: u64,
    /// What the caller says about them, opaque to the cache.
    pub payload: Bytes,
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroadcastEvent {
    Announced(std::sync::Arc<Announcement>),
    /// The connection was lost and is there again: anything may have been missed.
    Interrupted,
}

/// Who fills a key that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The caller does. What it puts ends the claim; so does time.
    Yours,
    /// Another caller does.
    Others,
}

/// Why the shared cache did not answer. Callers go on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum L2Error {
    #[error("the shared cache cannot be reached: {0}")]
    Unavailable(String),
    #[error("no connection to the shared cache became free in time")]
    PoolExhausted,
}

/// A cache that instances of one store share.
///
/// A caller is one value of the adapter: one process. Laws, which the conformance suite checks on
/// every adapter:
/// - what is read was put under the same key, whole;
/// - a put takes effect only if it is newer, by (`version`, `as_of`), than what is there;
/// - at most one caller at a time holds the claim to fill a key; only its own put ends it early, and no
///   claim outlives its time;
/// - announcements of one caller arrive in their order or not at all, and a subscriber that may have
///   missed any is told so.
#[async_trait]
pub trait L2: Send + Sync + 'static {
    async fn get(&self, key: &str) -> Result<Option<Envelope>, L2Error>;

    /// Keeps the envelope for about its lifetime, unless as new a one is there. One that is larger
    /// than the cache takes is not kept.
    async fn put(&self, key: &str, envelope: Envelope) -> Result<(), L2Error>;

    /// Asks to be the one who fills a key.
    async fn claim(&self, key: &str) -> Result<Fill, L2Error>;

    async fn announce(&self, announcement: Announcement) -> Result<(), L2Error>;

    /// What is announced from now on by any caller, this one included. What was announced before is
    /// missed without a sign. Without a connection nothing arrives until there is one; then an
    /// interruption does.
    fn subscribe(&self) -> broadcast::Receiver<BroadcastEvent>;

    /// Whether the other side can be reached: cheap, for health.
    async fn ping(&self) -> Result<(), L2Error>;
}
