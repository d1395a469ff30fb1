//! What comes to mind: the exact best of the whole score over everything that an NPC may know of.

use std::time::Instant;

use gamemesh_domain::Result;
use gamemesh_domain::memory::{
    Candidate, Collection, Criteria, Interval, MemoryId, Name, Profile, RecencyBasis, Scored,
    WordIndex, select,
};
use gamemesh_vectors::Question as Vector;

use super::page::Page;
use super::{Engine, Entry, no_memory};
use crate::convert::row::uuid_of;

/// What is asked.
pub(crate) struct Question {
    pub(crate) npc: Name,
    pub(crate) text: String,
    pub(crate) vector: Option<Vec<f32>>,
    pub(crate) count: usize,
    pub(crate) criteria: Criteria,
    /// Not what others share with the NPC.
    pub(crate) own_only: bool,
    pub(crate) profile: Profile,
    pub(crate) now_us: i64,
}

/// What comes to mind, best first.
pub(crate) struct Recalled {
    pub(crate) memories: Vec<(Entry, Scored)>,
    pub(crate) candidates: usize,
}

impl Engine {
    pub(crate) async fn recall(
        &self,
        collection: &Collection,
        question: &Question,
    ) -> Result<Recalled> {
        let began = Instant::now();
        let own = self.page(collection, question.npc.as_str()).await?;
        let shared = match question.own_only {
            true => None,
            false => Some(self.page(collection, "").await?),
        };
        let (own, shared) = (own.read(), shared.as_ref().map(|held| held.read()));
        let mut pages: Vec<&Page> = vec![&own];
        pages.extend(shared.as_deref());
        let recalled = best(&pages, question);
        self.metrics.recall_seconds.observe(began.elapsed().as_secs_f64());
        Ok(recalled)
    }
}

impl Engine {
    /// Every memory that an NPC may know of and that is asked for.
    pub(crate) async fn matching(
        &self,
        collection: &Collection,
        npc: &Name,
        criteria: &Criteria,
        own_only: bool,
    ) -> Result<Vec<Entry>> {
        let own = self.page(collection, npc.as_str()).await?;
        let shared = match own_only {
            true => None,
            false => Some(self.page(collection, "").await?),
        };
        let own = own.read();
        let asked = |entry: &&Entry| {
            criteria.matches(&entry.memory) && !(own_only && entry.memory.npc != *npc)
        };
        let mut found: Vec<Entry> =
            own.iter().map(|(_, entry)| entry).filter(asked).cloned().collect();
        if let Some(shared) = shared {
            let shared = shared.read();
            let others = shared.iter().map(|(_, entry)| entry).filter(asked);
            found.extend(others.filter(|entry| own.get(entry.memory.id).is_none()).cloned());
        }
        Ok(found)
    }

    /// A memory that an NPC may know of. What it may not know of does not exist.
    pub(crate) async fn visible(
        &self,
        collection: &Collection,
        npc: &Name,
        id: MemoryId,
    ) -> Result<Entry> {
        for reader in [npc.as_str(), ""] {
            let page = self.page(collection, reader).await?;
            if let Some(entry) = page.read().get(id) {
                return Ok(entry.clone());
            }
        }
        Err(no_memory(id))
    }

    /// The vector as it came; empty if there is none.
    pub(crate) async fn vector_of(
        &self,
        collection: &Collection,
        id: MemoryId,
    ) -> Result<Vec<f32>> {
        let row = self.tables.memory(collection.name.as_str(), uuid_of(id)).await?;
        Ok(row.and_then(|row| row.vector).unwrap_or_default())
    }
}

/// The best over some pages. A memory that lies on more than one is taken from the first.
fn best(pages: &[&Page], question: &Question) -> Recalled {
    let vector = question.vector.as_deref().map(Vector::new);
    let words = (!question.text.trim().is_empty()).then(|| {
        let indexes: Vec<&WordIndex> = pages.iter().map(|page| &page.words).collect();
        WordIndex::search(&indexes, &question.text)
    });
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        for (place, entry) in page.iter() {
            let memory = &entry.memory;
            let is_known = pages[..number].iter().any(|page| page.get(memory.id).is_some());
            let is_foreign = question.own_only && memory.npc != question.npc;
            if is_known || is_foreign || !question.criteria.matches(memory) {
                continue;
            }
            let since_us = match question.profile.basis {
                RecencyBasis::Created => memory.created_us,
                RecencyBasis::Accessed => memory.accessed_us,
            };
            let estimate = vector.as_ref().and_then(|v| page.vectors.estimate(place, v));
            candidates.push(Candidate {
                id: memory.id,
                created_us: memory.created_us,
                similarity: estimate.map(|e| Interval { low: e.low, high: e.high }),
                words: words
                    .as_ref()
                    .map(|words| words.scores[number].get(&(place as u32)).copied().unwrap_or(0.0)),
                recency: question.profile.recency_of(question.now_us.saturating_sub(since_us)),
                importance: memory.importance / 10.0,
            });
            places.push((number, place));
        }
    }
    let exact = |index: usize| {
        let (number, place) = places[index];
        let exact = vector.as_ref().and_then(|v| pages[number].vectors.exact(place, v));
        // Only who has an estimate is asked, and who has one has a vector.
        exact.unwrap_or(f64::NEG_INFINITY)
    };
    let full = words.as_ref().map_or(0.0, |words| words.full);
    let chosen = select(&question.profile, &candidates, full, question.count, exact);
    let memories = chosen.into_iter().filter_map(|scored| {
        let (number, place) = places[scored.index];
        Some((pages[number].at(place)?.clone(), scored))
    });
    Recalled { memories: memories.collect(), candidates: candidates.len() }
}
