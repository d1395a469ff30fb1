//! Erasing: nothing of the text or the vector remains, nor of what was concluded from it.

use std::collections::{BTreeMap, BTreeSet};

use gamemesh_domain::Result;
use gamemesh_domain::memory::{Collection, MemoryId, Name};
use gamemesh_repository::{MemoryChange, MemoryPlace, fault_point};
use uuid::Uuid;

use super::Engine;
use crate::convert::row::uuid_of;

/// Memories that are erased in one transaction.
const ERASED_AT_ONCE: usize = 256;

impl Engine {
    /// Erases a memory of its owner, and answers how many went with it.
    pub(crate) async fn erase(
        &self,
        collection: &Collection,
        npc: &Name,
        id: MemoryId,
    ) -> Result<u64> {
        let row =
            crate::convert::row::to_row(&collection.name, &self.owned(collection, npc, id).await?)?;
        let place = MemoryPlace {
            collection: row.collection,
            id: uuid_of(id),
            npc_id: row.npc_id,
            readers: row.readers,
        };
        let erased = self.erase_with_conclusions(vec![place]).await?;
        self.tables.scrub().await?;
        Ok(erased)
    }

    /// Erases everything about somebody: memories, conclusions, history.
    pub(crate) async fn erase_subject(
        &self,
        subject: &Name,
        collection: Option<&Name>,
    ) -> Result<(u64, u64)> {
        let within = collection.map(Name::as_str);
        let places = self.tables.memories_about(subject.as_str(), within).await?;
        let memories = self.erase_with_conclusions(places).await?;
        let history = match collection {
            Some(_) => 0,
            None => self.tables.erase_history(subject.as_str()).await?,
        };
        fault_point("memory.before_scrub");
        // Also when nothing was found: a try before this may have ended between the two.
        self.tables.scrub().await?;
        Ok((memories, history))
    }

    /// Conclusions go before what they rest on, so that an end between two transactions leaves none
    /// that rests on nothing.
    async fn erase_with_conclusions(&self, places: Vec<MemoryPlace>) -> Result<u64> {
        let mut layers = vec![places];
        let mut known: BTreeSet<(String, Uuid)> = BTreeSet::new();
        while let Some(layer) = layers.last() {
            let mut sources: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
            for place in layer {
                known.insert((place.collection.clone(), place.id));
                sources.entry(place.collection.clone()).or_default().push(place.id);
            }
            let mut next = Vec::new();
            for (collection, ids) in sources {
                let from = self.tables.memories_from(&collection, &ids).await?;
                let is_new = |p: &MemoryPlace| !known.contains(&(p.collection.clone(), p.id));
                next.extend(from.into_iter().filter(is_new));
            }
            if next.is_empty() {
                break;
            }
            layers.push(next);
        }
        let mut gone = BTreeSet::new();
        for layer in layers.into_iter().rev() {
            for chunk in layer.chunks(ERASED_AT_ONCE) {
                let changes = chunk.iter().map(|place| MemoryChange::Erase {
                    collection: place.collection.clone(),
                    id: place.id,
                    readers: place.readers.clone(),
                });
                let written = self.tables.change_memories(vec![changes.collect()]).await;
                for place in chunk {
                    if let Ok(name) = Name::parse("collectionId", &place.collection) {
                        self.pages.touch(&name, &place.readers);
                    }
                    gone.insert((place.collection.clone(), place.id));
                }
                written?;
            }
        }
        Ok(gone.len() as u64)
    }
}
