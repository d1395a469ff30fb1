//! Snapshots: a cache of the fold of a stream, so that any version is reached quickly.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{LogError, StreamName, Version};

/// The state of a stream after `version` events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub stream: StreamName,
    pub version: Version,
    /// Names the code that folded: another reducer's snapshots are ignored and rebuilt.
    pub reducer: u64,
    pub time_us: i64,
    pub state: Bytes,
}

/// Over everything that tells one snapshot from another, and its state.
pub fn snapshot_crc(snapshot: &Snapshot) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in [snapshot.version, snapshot.reducer, snapshot.time_us as u64] {
        hasher.update(&number.to_be_bytes());
    }
    hasher.update(&(snapshot.stream.as_str().len() as u64).to_be_bytes());
    hasher.update(snapshot.stream.as_str().as_bytes());
    hasher.update(&snapshot.state);
    hasher.finalize()
}

/// Losing any of this loses time, never facts.
#[async_trait]
pub trait Snapshots: Send + Sync + 'static {
    /// Keeps a snapshot; one of the same stream, version and reducer is replaced.
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError>;

    /// The newest snapshot of this reducer at or below a version. One whose checksum fails is
    /// treated as absent.
    async fn snapshot_at(
        &self,
        stream: &StreamName,
        version: Version,
        reducer: u64,
    ) -> Result<Option<Snapshot>, LogError>;

    /// The newest snapshots of several streams: for each, in this order, what [`Self::snapshot_at`]
    /// would answer for the last version of all. A stream may be asked for more than once. An adapter
    /// may do it for less than so many calls cost.
    async fn newest_snapshots(
        &self,
        streams: &[StreamName],
        reducer: u64,
    ) -> Vec<Result<Option<Snapshot>, LogError>> {
        let mut answers = Vec::with_capacity(streams.len());
        for stream in streams {
            answers.push(self.snapshot_at(stream, Version::MAX, reducer).await);
        }
        answers
    }

    /// Forgets all snapshots of a stream.
    async fn forget_snapshots(&self, stream: &StreamName) -> Result<(), LogError>;
}
