//! The tables of the memory service: what is remembered, and what players did.
//!
//! They are the truth, not a projection: what is erased must be gone, and an append-only log with a
//! chain of checksums cannot forget.
//!
//! A memory lies on the page of each NPC that may know of it. Every write gives the pages that it touches
//! a higher number, under the lock of the page's head; so whoever has read a page reads what has changed
//! since, and finds every change in the order of the numbers.

use std::collections::HashSet;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Lane, LogError, Position};

/// A collection, as the service's own document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionRow {
    pub collection: String,
    pub version: u64,
    /// In the service's own encoding.
    pub document: Vec<u8>,
}

/// What became of a memory's vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingState {
    /// There is no model to make one.
    None,
    Pending,
    Done,
    /// The model refused the text.
    Failed,
}

impl EmbeddingState {
    pub const ALL: [Self; 4] = [Self::None, Self::Pending, Self::Done, Self::Failed];

    /// How it is kept.
    pub const fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Pending => 1,
            Self::Done => 2,
            Self::Failed => 3,
        }
    }

    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }
}

/// A memory. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryRow {
    pub collection: String,
    pub id: Uuid,
    pub npc_id: String,
    pub kind: String,
    pub text: String,
    pub importance: f64,
    pub pinned: bool,
    pub visibility: String,
    /// When it happened.
    pub created_us: i64,
    pub stored_us: i64,
    /// When it last came to mind; [`MemoryChange::Replace`] leaves this and `accesses` as they are.
    pub accessed_us: i64,
    pub accesses: u64,
    pub valid_from_us: Option<i64>,
    pub valid_until_us: Option<i64>,
    /// Why it is not remembered any more.
    pub forgotten: Option<String>,
    pub version: u64,
    /// JSON text.
    pub metadata: String,
    /// Whatever else the service keeps of it: JSON text.
    pub details: String,
    /// Of its owner; the same key with the same fingerprint is the same store.
    pub idempotency_key: Option<String>,
    pub fingerprint: [u8; 16],
    pub embedding: EmbeddingState,
    /// Name and version of the model of the vector.
    pub model: String,
    pub vector: Option<Vec<f32>>,
    /// On whose pages it lies; the empty text is the page of all.
    pub readers: Vec<String>,
    pub subjects: Vec<String>,
    /// What it was concluded from.
    pub sources: Vec<Uuid>,
}

/// One change of one memory.
#[derive(Debug, Clone, PartialEq)]
pub enum MemoryChange {
    Insert(Box<MemoryRow>),
    /// In the place of the row, if that has this version. `left` are pages that it lies on no more.
    Replace {
        row: Box<MemoryRow>,
        expected: u64,
        left: Vec<String>,
    },
    /// It came to mind: no change of its version, and nothing if it is not there.
    Access {
        collection: String,
        id: Uuid,
        readers: Vec<String>,
        accessed_us: i64,
        times: u64,
    },
    /// Nothing remains but that there was something.
    Erase {
        collection: String,
        id: Uuid,
        /// The pages that it lies on.
        readers: Vec<String>,
    },
}

/// What became of several changes that belong together.
#[derive(Debug, Clone, PartialEq)]
pub enum MemoryOutcome {
    Written,
    /// Nothing was written: the key of the first insertion is taken by this row.
    Existing(Box<MemoryRow>),
    /// Nothing was written: this memory has another version, or is not there.
    Conflict {
        id: Uuid,
        actual: Option<u64>,
    },
}

/// What has changed on a page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PageRows {
    /// Everything up to this number is in the answer, or was before.
    pub change: u64,
    pub rows: Vec<MemoryRow>,
    /// What does not lie on the page any more.
    pub gone: Vec<Uuid>,
}

impl PageRows {
    /// This, and what has changed since.
    pub fn then(mut self, newer: Self) -> Self {
        let changed: HashSet<Uuid> =
            newer.rows.iter().map(|row| row.id).chain(newer.gone.iter().copied()).collect();
        self.rows.retain(|row| !changed.contains(&row.id));
        self.rows.extend(newer.rows);
        self.gone.retain(|id| !changed.contains(id));
        self.gone.extend(newer.gone);
        self.change = self.change.max(newer.change);
        self
    }
}

/// Where a memory is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryPlace {
    pub collection: String,
    pub id: Uuid,
    pub npc_id: String,
    pub readers: Vec<String>,
}

/// Something that a player did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub player_id: String,
    pub time_us: i64,
    pub entry_id: Uuid,
    pub action: String,
    /// JSON text.
    pub context: String,
}

/// Which of a player's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    pub player_id: String,
    /// At or after.
    pub from_us: i64,
    /// Before.
    pub until_us: i64,
    pub action: Option<String>,
    /// Beyond this entry, in the direction that is read.
    pub after: Option<(i64, Uuid)>,
    pub oldest_first: bool,
    pub limit: usize,
    /// What the answer has at least: then a copy of the table may give it. `None`: all of it.
    pub at_least: Option<HistoryMark>,
}

/// Names an append to the histories, for who wants to read it; 0 where the table has no copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryMark(pub u64);

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryAppended {
    /// Of each entry whether it had been appended before.
    pub repeated: Vec<bool>,
    /// All of it, what had been appended before included.
    pub mark: HistoryMark,
}

/// An entity, as SQL users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityRow {
    pub id: String,
    pub entity_type: String,
    /// JSON text.
    pub data: String,
    pub version: u64,
    pub created_us: i64,
    pub updated_us: i64,
    /// The entity was deleted: the row is removed.
    pub deleted: bool,
}

/// Of each row whether it was there before, from what was inserted: its player, time and id. Of two alike
/// in one request, one is inserted.
pub fn repeated_entries(
    rows: &[HistoryRow],
    inserted: impl IntoIterator<Item = (String, i64, Uuid)>,
) -> Vec<bool> {
    let mut inserted: HashSet<(String, i64, Uuid)> = inserted.into_iter().collect();
    let key = |row: &HistoryRow| (row.player_id.clone(), row.time_us, row.entry_id);
    rows.iter().map(|row| !inserted.remove(&key(row))).collect()
}

impl EntityRow {
    /// What it holds, as the bound of a queue counts it.
    pub(crate) fn bytes(&self) -> usize {
        self.id.len() + self.entity_type.len() + self.data.len() + 64
    }
}

/// Which entities, in the order of their last change and then of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityQuery {
    pub entity_type: Option<String>,
    /// At or after.
    pub from_us: i64,
    /// Before.
    pub until_us: i64,
    /// Beyond this one.
    pub after: Option<(i64, String)>,
    pub limit: usize,
    /// How far the table that answers has been written: the one that writes it is, a copy may be behind.
    pub written: TableMark,
}

/// How far a projection has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableMark {
    pub projection: String,
    pub positions: Vec<(Lane, Position)>,
}

/// A table that a part of history is kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPartition {
    pub name: String,
    pub from_us: i64,
    pub until_us: i64,
    /// As the database estimates.
    pub entries: u64,
}

/// The tables of one memory log.
#[async_trait]
pub trait MemoryTables: Send + Sync + 'static {
    /// Whether other instances write here, too.
    fn is_shared(&self) -> bool;

    async fn collections(&self) -> Result<Vec<CollectionRow>, LogError>;

    /// Writes a collection, if the one that is there has this version; 0: there is none. Answers the
    /// version that is there otherwise.
    async fn put_collection(
        &self,
        row: CollectionRow,
        expected: u64,
    ) -> Result<Result<(), u64>, LogError>;

    /// Writes groups of changes, each group all or nothing and by itself, in this order.
    async fn change_memories(
        &self,
        groups: Vec<Vec<MemoryChange>>,
    ) -> Result<Vec<MemoryOutcome>, LogError>;

    /// What has changed on a page since a number, 0 for everything.
    async fn memory_page(
        &self,
        collection: &str,
        reader: &str,
        after: u64,
    ) -> Result<PageRows, LogError>;

    async fn memory(&self, collection: &str, id: Uuid) -> Result<Option<MemoryRow>, LogError>;

    /// Memories in a state, in the order of their ids after one.
    async fn memories_embedded(
        &self,
        collection: &str,
        state: EmbeddingState,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<MemoryRow>, LogError>;

    /// How many memories of a collection are in each state, in the order of [`EmbeddingState::ALL`]. What
    /// another model than this made, or refused, counts as waiting.
    async fn embedding_counts(&self, collection: &str, model: &str) -> Result<[u64; 4], LogError>;

    /// Memories about a subject, in one collection or all.
    async fn memories_about(
        &self,
        subject: &str,
        collection: Option<&str>,
    ) -> Result<Vec<MemoryPlace>, LogError>;

    /// Memories that were concluded from any of these.
    async fn memories_from(
        &self,
        collection: &str,
        sources: &[Uuid],
    ) -> Result<Vec<MemoryPlace>, LogError>;

    /// Takes what was erased out of every file that this store can reach.
    async fn scrub(&self) -> Result<(), LogError>;

    async fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityRow>, LogError>;

    /// Appends history, all or nothing.
    async fn append_history(&self, rows: Vec<HistoryRow>) -> Result<HistoryAppended, LogError>;

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryRow>, LogError>;

    /// Erases what a player did, and answers how much that was.
    async fn erase_history(&self, player_id: &str) -> Result<u64, LogError>;

    /// The tables that history is kept in; none where it is one table.
    async fn history_partitions(&self) -> Result<Vec<HistoryPartition>, LogError>;

    /// Makes the tables of the months from one time to another, as far as they are missing.
    async fn make_history_partitions(&self, from_us: i64, until_us: i64) -> Result<(), LogError>;

    /// Takes a table out of the history; false if it is none of it.
    async fn detach_history_partition(&self, name: &str) -> Result<bool, LogError>;
}
