//! What came to mind is written down a little later, many recalls together: a recall writes nothing
//! itself, and works where nothing can be written.

use std::collections::HashMap;

use gamemesh_domain::Result;
use gamemesh_domain::memory::{Memory, MemoryId, Name};
use gamemesh_repository::MemoryChange;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::convert::row::{readers, uuid_of};

/// Memories whose access waits to be written; beyond them it is not noted.
const WAITING_MAX: usize = 65_536;

/// Accesses that are written in one transaction.
const WRITTEN_AT_ONCE: usize = 512;

#[derive(Default)]
pub(super) struct Accesses(Mutex<HashMap<(Name, MemoryId), Access>>);

struct Access {
    readers: Vec<String>,
    last_us: i64,
    times: u64,
}

impl Engine {
    /// Notes that a memory came to mind.
    pub(crate) fn note_access(&self, collection: &Name, memory: &Memory, now_us: i64) {
        let mut waiting = self.accesses.0.lock();
        let key = (collection.clone(), memory.id);
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&key) {
            return;
        }
        let access = waiting.entry(key).or_insert_with(|| Access {
            readers: readers(memory),
            last_us: now_us,
            times: 0,
        });
        access.last_us = access.last_us.max(now_us);
        access.times += 1;
    }

    /// Writes what was noted, until it is told to stop.
    pub(crate) async fn note_accesses(&self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(self.config.access_interval))
            .await
            .is_some()
        {
            if let Err(error) = self.write_accesses().await {
                tracing::debug!(%error, "what came to mind was not written down");
            }
        }
    }

    pub(crate) async fn write_accesses(&self) -> Result<()> {
        let noted: Vec<_> = std::mem::take(&mut *self.accesses.0.lock()).into_iter().collect();
        for chunk in noted.chunks(WRITTEN_AT_ONCE) {
            let changes = chunk.iter().map(|((collection, id), access)| MemoryChange::Access {
                collection: collection.to_string(),
                id: uuid_of(*id),
                readers: access.readers.clone(),
                accessed_us: access.last_us,
                times: access.times,
            });
            self.tables.change_memories(vec![changes.collect()]).await?;
            for ((collection, _), access) in chunk {
                self.pages.touch(collection, &access.readers);
            }
        }
        Ok(())
    }
}
