//! Who has gathered enough importance to reflect.

use std::collections::HashMap;
use std::sync::Arc;

use futures::Stream;
use gamemesh_domain::Result;
use gamemesh_domain::memory::{MemoryId, Name, unreflected};
use tokio::sync::broadcast::error::RecvError;

use super::Engine;

/// Ids that one message carries.
const IDS_MAX: usize = 1_000;

/// NPCs that one watcher remembers to have been told of.
const TOLD_MAX: usize = 100_000;

/// It is time to reflect.
pub(crate) struct Due {
    pub(crate) npc: Name,
    pub(crate) importance: f64,
    pub(crate) since: Vec<MemoryId>,
}

impl Engine {
    /// Follows who is due, each once until he has reflected. One NPC is looked at at once, the others when
    /// something is stored.
    pub(crate) fn watch_reflections(
        self: Arc<Self>,
        collection: Name,
        npc: Option<Name>,
        threshold: f64,
    ) -> impl Stream<Item = Result<Due>> + Send + use<> {
        let mut stores = self.stored.subscribe();
        async_stream::try_stream! {
            // NPC → when what counts began.
            let mut told: HashMap<Name, MemoryId> = HashMap::new();
            let mut next = npc.clone();
            loop {
                if let Some(npc) = next.take() {
                    match self.due(&collection, &npc, threshold).await? {
                        Some(due) => {
                            let first = due.since.first().copied();
                            if first.is_some_and(|first| told.get(&npc) != Some(&first)) {
                                if told.len() >= TOLD_MAX {
                                    told.clear();
                                }
                                told.extend(first.map(|first| (npc, first)));
                                yield due;
                            }
                        }
                        None => { told.remove(&npc); }
                    }
                }
                match stores.recv().await {
                    Ok((within, owner)) => {
                        let is_watched = npc.as_ref().is_none_or(|npc| *npc == owner);
                        next = (within == collection && is_watched).then_some(owner);
                    }
                    // What was missed shows with the next store of the same NPC.
                    Err(RecvError::Lagged(_)) => next = npc.clone(),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    async fn due(&self, collection: &Name, npc: &Name, threshold: f64) -> Result<Option<Due>> {
        let known = self.collection(collection.as_str()).await?;
        let page = self.page(&known.collection, npc.as_str()).await?;
        let page = page.read();
        let own = page.iter().map(|(_, entry)| &entry.memory).filter(|memory| memory.npc == *npc);
        let (since, importance) = unreflected(own);
        let skipped = since.len().saturating_sub(IDS_MAX);
        let ids = since.iter().skip(skipped).map(|memory| memory.id).collect();
        let due = Due { npc: npc.clone(), importance, since: ids };
        Ok((importance >= threshold).then_some(due))
    }
}
