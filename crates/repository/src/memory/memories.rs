//! [`MemoryTables`] over plain collections.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryStore;
use crate::{
    CollectionRow, EmbeddingState, EntityQuery, EntityRow, HistoryAppended, HistoryMark,
    HistoryPartition, HistoryQuery, HistoryRow, LogError, MemoryChange, MemoryOutcome, MemoryPlace,
    MemoryRow, MemoryTables, PageRows,
};

#[derive(Default)]
pub(super) struct Memories {
    collections: BTreeMap<String, CollectionRow>,
    rows: BTreeMap<(String, Uuid), MemoryRow>,
    /// Collection and reader → the page's number, and the number of each memory that ever lay on it.
    pages: BTreeMap<(String, String), (u64, BTreeMap<Uuid, u64>)>,
    history: BTreeMap<(String, i64, Uuid), HistoryRow>,
}

impl Memories {
    fn group(&mut self, changes: Vec<MemoryChange>) -> MemoryOutcome {
        for change in &changes {
            match change {
                MemoryChange::Insert(row) => {
                    let taken = row.idempotency_key.as_ref().and_then(|key| {
                        self.rows.values().find(|other| {
                            other.collection == row.collection
                                && other.npc_id == row.npc_id
                                && other.idempotency_key.as_ref() == Some(key)
                        })
                    });
                    if let Some(taken) = taken {
                        return MemoryOutcome::Existing(Box::new(taken.clone()));
                    }
                }
                MemoryChange::Replace { row, expected, .. } => {
                    let actual =
                        self.rows.get(&(row.collection.clone(), row.id)).map(|row| row.version);
                    if actual != Some(*expected) {
                        return MemoryOutcome::Conflict { id: row.id, actual };
                    }
                }
                MemoryChange::Access { .. } | MemoryChange::Erase { .. } => {}
            }
        }
        for change in changes {
            match change {
                MemoryChange::Insert(row) => self.put(*row, &[]),
                MemoryChange::Replace { mut row, left, .. } => {
                    if let Some(old) = self.rows.get(&(row.collection.clone(), row.id)) {
                        (row.accessed_us, row.accesses) = (old.accessed_us, old.accesses);
                    }
                    self.put(*row, &left);
                }
                MemoryChange::Access { collection, id, readers, accessed_us, times } => {
                    if let Some(row) = self.rows.get_mut(&(collection.clone(), id)) {
                        row.accessed_us = row.accessed_us.max(accessed_us);
                        row.accesses += times;
                        self.touch(&collection, id, &readers);
                    }
                }
                MemoryChange::Erase { collection, id, readers } => {
                    self.rows.remove(&(collection.clone(), id));
                    self.touch(&collection, id, &readers);
                }
            }
        }
        MemoryOutcome::Written
    }

    fn put(&mut self, row: MemoryRow, left: &[String]) {
        self.touch(&row.collection, row.id, &row.readers);
        self.touch(&row.collection, row.id, left);
        self.rows.insert((row.collection.clone(), row.id), row);
    }

    fn touch(&mut self, collection: &str, id: Uuid, readers: &[String]) {
        for reader in readers {
            let page = self.pages.entry((collection.to_owned(), reader.clone())).or_default();
            page.0 += 1;
            page.1.insert(id, page.0);
        }
    }

    fn page(&self, collection: &str, reader: &str, after: u64) -> PageRows {
        let Some((change, places)) = self.pages.get(&(collection.to_owned(), reader.to_owned()))
        else {
            return PageRows::default();
        };
        let mut page = PageRows { change: *change, ..PageRows::default() };
        for (id, _) in places.iter().filter(|(_, changed)| **changed > after) {
            match self.rows.get(&(collection.to_owned(), *id)) {
                Some(row) if row.readers.iter().any(|one| one == reader) => {
                    page.rows.push(row.clone());
                }
                _ => page.gone.push(*id),
            }
        }
        page
    }

    fn places(&self, holds: impl Fn(&MemoryRow) -> bool) -> Vec<MemoryPlace> {
        let rows = self.rows.values().filter(|row| holds(row));
        rows.map(|row| MemoryPlace {
            collection: row.collection.clone(),
            id: row.id,
            npc_id: row.npc_id.clone(),
            readers: row.readers.clone(),
        })
        .collect()
    }
}

#[async_trait]
impl MemoryTables for MemoryStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn collections(&self) -> Result<Vec<CollectionRow>, LogError> {
        Ok(self.state.lock().memories.collections.values().cloned().collect())
    }

    async fn put_collection(
        &self,
        row: CollectionRow,
        expected: u64,
    ) -> Result<Result<(), u64>, LogError> {
        let mut state = self.state.lock();
        let collections = &mut state.memories.collections;
        let actual = collections.get(&row.collection).map_or(0, |row| row.version);
        if actual != expected {
            return Ok(Err(actual));
        }
        collections.insert(row.collection.clone(), row);
        Ok(Ok(()))
    }

    async fn change_memories(
        &self,
        groups: Vec<Vec<MemoryChange>>,
    ) -> Result<Vec<MemoryOutcome>, LogError> {
        let mut state = self.state.lock();
        Ok(groups.into_iter().map(|group| state.memories.group(group)).collect())
    }

    async fn memory_page(
        &self,
        collection: &str,
        reader: &str,
        after: u64,
    ) -> Result<PageRows, LogError> {
        Ok(self.state.lock().memories.page(collection, reader, after))
    }

    async fn memory(&self, collection: &str, id: Uuid) -> Result<Option<MemoryRow>, LogError> {
        Ok(self.state.lock().memories.rows.get(&(collection.to_owned(), id)).cloned())
    }

    async fn memories_embedded(
        &self,
        collection: &str,
        state: EmbeddingState,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<MemoryRow>, LogError> {
        let rows = &self.state.lock().memories.rows;
        let found = rows
            .values()
            .filter(|row| row.collection == collection && row.embedding == state)
            .filter(|row| after.is_none_or(|after| row.id > after));
        Ok(found.take(limit).cloned().collect())
    }

    async fn embedding_counts(&self, collection: &str, model: &str) -> Result<[u64; 4], LogError> {
        let mut counts = [0; 4];
        for row in self.state.lock().memories.rows.values() {
            if row.collection == collection {
                let is_outdated = row.model != model && row.embedding != EmbeddingState::None;
                let state = if is_outdated { EmbeddingState::Pending } else { row.embedding };
                counts[state.number() as usize] += 1;
            }
        }
        Ok(counts)
    }

    async fn memories_about(
        &self,
        subject: &str,
        collection: Option<&str>,
    ) -> Result<Vec<MemoryPlace>, LogError> {
        Ok(self.state.lock().memories.places(|row| {
            collection.is_none_or(|collection| row.collection == collection)
                && row.subjects.iter().any(|one| one == subject)
        }))
    }

    async fn memories_from(
        &self,
        collection: &str,
        sources: &[Uuid],
    ) -> Result<Vec<MemoryPlace>, LogError> {
        let sources: BTreeSet<&Uuid> = sources.iter().collect();
        Ok(self.state.lock().memories.places(|row| {
            row.collection == collection && row.sources.iter().any(|one| sources.contains(one))
        }))
    }

    async fn scrub(&self) -> Result<(), LogError> {
        Ok(())
    }

    async fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityRow>, LogError> {
        let state = self.state.lock();
        let place = |row: &EntityRow| (row.updated_us, row.id.clone());
        let mut found: Vec<EntityRow> = state
            .rows
            .entities
            .values()
            .filter(|row| query.entity_type.as_ref().is_none_or(|t| *t == row.entity_type))
            .filter(|row| (query.from_us..query.until_us).contains(&row.updated_us))
            .filter(|row| query.after.as_ref().is_none_or(|after| place(row) > *after))
            .cloned()
            .collect();
        found.sort_by_key(place);
        found.truncate(query.limit);
        Ok(found)
    }

    async fn append_history(&self, rows: Vec<HistoryRow>) -> Result<HistoryAppended, LogError> {
        let mut state = self.state.lock();
        let append = |row: HistoryRow| {
            let key = (row.player_id.clone(), row.time_us, row.entry_id);
            let repeated = state.memories.history.contains_key(&key);
            state.memories.history.entry(key).or_insert(row);
            repeated
        };
        let repeated = rows.into_iter().map(append).collect();
        Ok(HistoryAppended { repeated, mark: HistoryMark(0) })
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryRow>, LogError> {
        let state = self.state.lock();
        let holds = |row: &&HistoryRow| {
            let place = (row.time_us, row.entry_id);
            row.player_id == query.player_id
                && (query.from_us..query.until_us).contains(&row.time_us)
                && query.action.as_ref().is_none_or(|action| *action == row.action)
                && query.after.is_none_or(|after| match query.oldest_first {
                    true => place > after,
                    false => place < after,
                })
        };
        let found = state.memories.history.values().filter(holds).cloned();
        let mut found: Vec<HistoryRow> = found.collect();
        if !query.oldest_first {
            found.reverse();
        }
        found.truncate(query.limit);
        Ok(found)
    }

    async fn erase_history(&self, player_id: &str) -> Result<u64, LogError> {
        let mut state = self.state.lock();
        let before = state.memories.history.len();
        state.memories.history.retain(|_, row| row.player_id != player_id);
        Ok((before - state.memories.history.len()) as u64)
    }

    async fn history_partitions(&self) -> Result<Vec<HistoryPartition>, LogError> {
        Ok(Vec::new())
    }

    async fn make_history_partitions(&self, _: i64, _: i64) -> Result<(), LogError> {
        Ok(())
    }

    async fn detach_history_partition(&self, _: &str) -> Result<bool, LogError> {
        Ok(false)
    }
}
