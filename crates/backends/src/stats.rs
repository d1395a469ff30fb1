//! What a store holds, for operators.

use std::fmt::Write as _;

use crate::{BackendError, Backends, Store};

/// Figures of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStats {
    pub events: u64,
    pub streams: u64,
    pub batches: u64,
    pub snapshots: u64,
    /// Idempotency keys that are remembered.
    pub keys: u64,
    pub file_bytes: u64,
    /// What is not yet in the file itself; 0 for a database server, which keeps it to itself.
    pub wal_bytes: u64,
    /// The last link of the chain over all batches, of each lane in turn, in hexadecimal: who wrote it down can tell later
    /// whether anything before it was altered.
    pub chain: String,
}

impl Backends {
    pub async fn stats(&self) -> Result<StoreStats, BackendError> {
        match &self.store {
            Store::Memory => Err(BackendError::NothingThere { url: "memory:".to_owned() }),
            #[cfg(feature = "postgres")]
            Store::Postgres(store) => {
                let stats = store.stats().await?;
                Ok(StoreStats {
                    events: stats.events,
                    streams: stats.streams,
                    batches: stats.batches,
                    snapshots: stats.snapshots,
                    keys: stats.keys,
                    file_bytes: stats.bytes,
                    wal_bytes: 0,
                    chain: hex(stats.chains.iter().flatten()),
                })
            }
            Store::Sqlite(store) => {
                let stats = store.stats().await?;
                Ok(StoreStats {
                    events: stats.events,
                    streams: stats.streams,
                    batches: stats.batches,
                    snapshots: stats.snapshots,
                    keys: stats.keys,
                    file_bytes: stats.file_bytes,
                    wal_bytes: stats.wal_bytes,
                    chain: hex(&stats.chain),
                })
            }
        }
    }
}

fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    bytes.into_iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
