//! Memories that say the same become one; the others are forgotten and kept.

use gamemesh_domain::Result;
use gamemesh_domain::memory::{Collection, Forgotten, Memory, MemoryId, Name, duplicates};
use gamemesh_vectors::Question;

use super::{Change, Engine};
use crate::convert::row::Stored;

/// What was merged, and what contradicts each other.
#[derive(Default)]
pub(crate) struct Merged {
    /// The one that stays, and the others.
    pub(crate) groups: Vec<(MemoryId, Vec<MemoryId>)>,
    pub(crate) conflicts: Vec<(MemoryId, MemoryId)>,
}

impl Engine {
    pub(crate) async fn merge(
        &self,
        collection: &Collection,
        npc: &Name,
        dry_run: bool,
    ) -> Result<Merged> {
        let held = self.page(collection, npc.as_str()).await?;
        let merged = {
            let page = held.read();
            let own: Vec<(usize, &Memory)> = page
                .iter()
                .map(|(place, entry)| (place, &entry.memory))
                .filter(|(_, memory)| memory.npc == *npc && memory.forgotten.is_none())
                .collect();
            let memories: Vec<&Memory> = own.iter().map(|(_, memory)| *memory).collect();
            let cosine = |a: usize, b: usize| {
                let (one, other) = (page.vectors.get(own[a].0)?, page.vectors.get(own[b].0)?);
                Question::new(one).cosine(other)
            };
            let (groups, conflicts) = duplicates(&memories, cosine);
            let id = |place: usize| memories[place].id;
            Merged {
                groups: groups
                    .into_iter()
                    .map(|group| (id(group[0]), group[1..].iter().map(|p| id(*p)).collect()))
                    .collect(),
                conflicts: conflicts.into_iter().map(|(a, b)| (id(a), id(b))).collect(),
            }
        };
        if dry_run {
            return Ok(merged);
        }
        for (kept, others) in &merged.groups {
            for other in others {
                let apply = |stored: &mut Stored| {
                    stored.memory.forgotten = Some(Forgotten::Merged);
                    stored.memory.replaced_by = Some(*kept);
                    Ok(true)
                };
                self.update(
                    collection,
                    Change { npc: npc.clone(), id: *other, expected: None, apply },
                )
                .await?;
            }
            let apply = |stored: &mut Stored| {
                stored.memory.merged += others.len() as u64;
                Ok(true)
            };
            self.update(collection, Change { npc: npc.clone(), id: *kept, expected: None, apply })
                .await?;
        }
        Ok(merged)
    }
}
