//! A memory changes, is forgotten, and is brought back.

use gamemesh_domain::memory::{Collection, Forgotten, MemoryId, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{EmbeddingState, MemoryChange, MemoryOutcome};

use super::{Engine, Entry};
use crate::convert::row::{Stored, readers, to_row};

/// Changes of others that a change without an expected version gives way to.
const TRIES_MAX: usize = 8;

/// What is to become of a memory.
pub(crate) struct Change<F> {
    pub(crate) npc: Name,
    pub(crate) id: MemoryId,
    pub(crate) expected: Option<u64>,
    /// Answers whether anything is different.
    pub(crate) apply: F,
}

impl Engine {
    /// Changes a memory of its owner, as often as others come between.
    pub(crate) async fn update<F>(
        &self,
        collection: &Collection,
        change: Change<F>,
    ) -> Result<Entry>
    where
        F: Fn(&mut Stored) -> Result<bool>,
    {
        let Change { npc, id, expected, apply } = change;
        for _ in 0..TRIES_MAX {
            let mut stored = self.owned(collection, &npc, id).await?;
            let actual = stored.memory.version;
            if let Some(expected) = expected
                && expected != actual
            {
                return Err(conflict(actual));
            }
            let pages = readers(&stored.memory);
            if !apply(&mut stored)? {
                return Ok(Entry { memory: stored.memory, embedding: stored.embedding });
            }
            stored.memory.version = actual + 1;
            let row = Box::new(to_row(&collection.name, &stored)?);
            let left = pages.iter().filter(|page| !row.readers.contains(page)).cloned().collect();
            let mut touched = row.readers.clone();
            touched.extend(pages);
            let replace = MemoryChange::Replace { row, expected: actual, left };
            if self.change(collection, vec![replace], &touched).await? == MemoryOutcome::Written {
                if stored.embedding == EmbeddingState::Pending {
                    self.unembedded.notify_one();
                }
                return Ok(Entry { memory: stored.memory, embedding: stored.embedding });
            }
        }
        Err(Error::new(Code::VersionConflict, format!("memory {id} keeps changing")))
    }

    pub(crate) async fn forget_softly(
        &self,
        collection: &Collection,
        npc: &Name,
        id: MemoryId,
    ) -> Result<u64> {
        let apply = |stored: &mut Stored| {
            let was_remembered = stored.memory.forgotten.is_none();
            if was_remembered {
                stored.memory.forgotten = Some(Forgotten::Asked);
            }
            Ok(was_remembered)
        };
        let change = Change { npc: npc.clone(), id, expected: None, apply };
        self.update(collection, change).await.map(|_| 1)
    }

    pub(crate) async fn restore(
        &self,
        collection: &Collection,
        npc: &Name,
        id: MemoryId,
    ) -> Result<Entry> {
        let apply = |stored: &mut Stored| {
            stored.memory.replaced_by = None;
            Ok(stored.memory.forgotten.take().is_some())
        };
        self.update(collection, Change { npc: npc.clone(), id, expected: None, apply }).await
    }
}

fn conflict(actual: u64) -> Error {
    Error::new(Code::VersionConflict, format!("the memory is at version {actual}"))
        .with_fact("actualVersion", actual)
}
