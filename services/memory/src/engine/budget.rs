//! Who has no room for all forgets the weakest.

use gamemesh_domain::Result;
use gamemesh_domain::memory::{Collection, Forgotten, MemoryId, Name, evictions};

use super::{Change, Engine};
use crate::convert::row::Stored;

impl Engine {
    /// Forgets until the budget holds, and answers what was forgotten and how many are remembered.
    pub(crate) async fn evict(
        &self,
        collection: &Collection,
        npc: &Name,
        budget: usize,
        dry_run: bool,
    ) -> Result<(Vec<MemoryId>, usize)> {
        let page = self.page(collection, npc.as_str()).await?;
        let (leaving, remembered) = {
            let page = page.read();
            let own = || page.iter().map(|(_, entry)| &entry.memory).filter(|m| m.npc == *npc);
            let remembered = own().filter(|memory| memory.forgotten.is_none()).count();
            let leaving = evictions(own(), budget, self.clock.now_micros());
            (leaving.into_iter().map(|memory| memory.id).collect::<Vec<_>>(), remembered)
        };
        if !dry_run {
            for id in &leaving {
                let apply = |stored: &mut Stored| {
                    let was_remembered = stored.memory.forgotten.is_none();
                    if was_remembered {
                        stored.memory.forgotten = Some(Forgotten::Evicted);
                    }
                    Ok(was_remembered)
                };
                self.update(
                    collection,
                    Change { npc: npc.clone(), id: *id, expected: None, apply },
                )
                .await?;
                self.metrics.evicted.inc();
            }
        }
        let remaining = remembered - leaving.len();
        Ok((leaving, remaining))
    }
}
