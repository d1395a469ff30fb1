//! The page of an NPC: everything that it may recall, as the scan needs it.

use std::collections::HashMap;

use gamemesh_domain::Result;
use gamemesh_domain::memory::{Collection, Memory, MemoryId, Metric, WordIndex};
use gamemesh_repository::{EmbeddingState, PageRows};
use gamemesh_vectors::{Likeness, Page as Vectors};

use crate::convert::collection::model_text;
use crate::convert::row::from_row;

/// A memory on a page.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) memory: Memory,
    pub(crate) embedding: EmbeddingState,
}

/// Rebuilt from rows at any time; nothing is in it that is not in them.
pub(crate) struct Page {
    /// Everything up to this number of the store is in here.
    change: u64,
    /// The model that the vectors are of.
    model: String,
    entries: Vec<Option<Entry>>,
    places: HashMap<MemoryId, usize>,
    free: Vec<usize>,
    pub(super) vectors: Vectors,
    pub(super) words: WordIndex,
    text_bytes: usize,
}

/// What a memory holds beside its text, its vector and its words, by estimate.
const ENTRY_BYTES: usize = 512;

impl Page {
    pub(super) fn new(collection: &Collection) -> Self {
        Self {
            change: 0,
            model: model_text(&collection.model),
            entries: Vec::new(),
            places: HashMap::new(),
            free: Vec::new(),
            vectors: Vectors::new(likeness(collection.metric), collection.dimension.get()),
            words: WordIndex::default(),
            text_bytes: 0,
        }
    }

    pub(super) const fn change(&self) -> u64 {
        self.change
    }

    /// Begins anew where the collection has taken up another model.
    pub(super) fn follow_model(&mut self, collection: &Collection) {
        if self.model != model_text(&collection.model) {
            *self = Self::new(collection);
        }
    }

    /// Takes in what has changed.
    pub(super) fn apply(&mut self, rows: PageRows) -> Result<()> {
        for id in rows.gone {
            self.remove(MemoryId(id.as_u128()));
        }
        for row in rows.rows {
            let mut stored = from_row(row)?;
            let memory = &stored.memory;
            self.remove(memory.id);
            let place = self.free.pop().unwrap_or_else(|| {
                self.entries.push(None);
                self.entries.len() - 1
            });
            self.words.insert(place as u32, &memory.text);
            self.text_bytes += memory.text.len();
            // A vector of another model says nothing here.
            if let Some(vector) = stored.vector.take()
                && stored.model == self.model
                && vector.len() == self.vectors.dimension()
            {
                self.vectors.put(place, &vector);
            }
            self.places.insert(memory.id, place);
            self.entries[place] =
                Some(Entry { memory: stored.memory, embedding: stored.embedding });
        }
        self.change = self.change.max(rows.change);
        Ok(())
    }

    fn remove(&mut self, id: MemoryId) {
        let Some(place) = self.places.remove(&id) else { return };
        if let Some(entry) = self.entries[place].take() {
            self.words.remove(place as u32, &entry.memory.text);
            self.text_bytes -= entry.memory.text.len();
        }
        self.vectors.clear(place);
        self.free.push(place);
    }

    pub(crate) fn get(&self, id: MemoryId) -> Option<&Entry> {
        self.entries[*self.places.get(&id)?].as_ref()
    }

    pub(super) fn at(&self, place: usize) -> Option<&Entry> {
        self.entries.get(place)?.as_ref()
    }

    /// Every memory with its place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let all = self.entries.iter().enumerate();
        all.filter_map(|(place, entry)| Some((place, entry.as_ref()?)))
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.vectors.size_bytes()
            + self.words.size_bytes()
            + self.text_bytes
            + self.places.len() * ENTRY_BYTES
    }
}

const fn likeness(metric: Metric) -> Likeness {
    match metric {
        Metric::Cosine => Likeness::Cosine,
        Metric::Dot => Likeness::Dot,
        Metric::Euclidean => Likeness::Euclidean,
    }
}
