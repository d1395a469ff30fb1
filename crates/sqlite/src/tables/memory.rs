//! [`MemoryTables`]: reads on a reading connection, writes in the transactions of the writer.

pub(super) mod entities;
mod history;
mod read;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_repository::{
    CollectionRow, EmbeddingState, EntityQuery, EntityRow, HistoryAppended, HistoryMark,
    HistoryPartition, HistoryQuery, HistoryRow, LogError, MemoryChange, MemoryOutcome, MemoryPlace,
    MemoryRow, MemoryTables, PageRows,
};
use parking_lot::Mutex;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::SqliteStore;
use crate::writer::AuxiliaryWrite;

/// A write of these tables, with room for what it comes to.
pub(crate) struct Work {
    what: What,
    came_to: Arc<Mutex<CameTo>>,
}

enum What {
    Collection { row: CollectionRow, expected: u64 },
    Memories(Vec<Vec<MemoryChange>>),
    AppendHistory(Vec<HistoryRow>),
    EraseHistory(String),
}

#[derive(Default)]
enum CameTo {
    #[default]
    Nothing,
    Collection(Result<(), u64>),
    Memories(Vec<MemoryOutcome>),
    Appended(Vec<bool>),
    Erased(u64),
}

impl Work {
    /// Bytes, as the bounds of the queue count them.
    pub(crate) fn size(&self) -> usize {
        match &self.what {
            What::Collection { row, .. } => row.document.len(),
            What::Memories(groups) => groups.iter().flatten().map(size_of_change).sum(),
            What::AppendHistory(rows) => {
                rows.iter().map(|row| row.action.len() + row.context.len() + 64).sum()
            }
            What::EraseHistory(_) => 0,
        }
    }

    /// Does it, inside of a savepoint.
    pub(crate) async fn run(&self, connection: &mut SqliteConnection) -> Result<(), LogError> {
        let came_to = match &self.what {
            What::Collection { row, expected } => {
                CameTo::Collection(write::collection(connection, row, *expected).await?)
            }
            What::Memories(groups) => CameTo::Memories(write::memories(connection, groups).await?),
            What::AppendHistory(rows) => CameTo::Appended(history::append(connection, rows).await?),
            What::EraseHistory(player) => CameTo::Erased(history::erase(connection, player).await?),
        };
        *self.came_to.lock() = came_to;
        Ok(())
    }
}

fn size_of_change(change: &MemoryChange) -> usize {
    match change {
        MemoryChange::Insert(row) | MemoryChange::Replace { row, .. } => {
            let vector = row.vector.as_ref().map_or(0, |vector| vector.len() * size_of::<f32>());
            row.text.len() + row.metadata.len() + row.details.len() + vector + 256
        }
        MemoryChange::Access { .. } | MemoryChange::Erase { .. } => 64,
    }
}

impl SqliteStore {
    async fn work(&self, what: What) -> Result<CameTo, LogError> {
        let came_to = Arc::new(Mutex::new(CameTo::Nothing));
        let work = Work { what, came_to: came_to.clone() };
        self.auxiliary(AuxiliaryWrite::Memory(work)).await?;
        Ok(std::mem::take(&mut *came_to.lock()))
    }
}

/// The writer answered something else than it was asked: a defect.
fn another<T>() -> Result<T, LogError> {
    Err(LogError::Internal("the writer answered another question".to_owned()))
}

#[async_trait]
impl MemoryTables for SqliteStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn collections(&self) -> Result<Vec<CollectionRow>, LogError> {
        read::collections(&mut *self.readers.get().await?).await
    }

    async fn put_collection(
        &self,
        row: CollectionRow,
        expected: u64,
    ) -> Result<Result<(), u64>, LogError> {
        match self.work(What::Collection { row, expected }).await? {
            CameTo::Collection(result) => Ok(result),
            _ => another(),
        }
    }

    async fn change_memories(
        &self,
        groups: Vec<Vec<MemoryChange>>,
    ) -> Result<Vec<MemoryOutcome>, LogError> {
        match self.work(What::Memories(groups)).await? {
            CameTo::Memories(outcomes) => Ok(outcomes),
            _ => another(),
        }
    }

    async fn memory_page(
        &self,
        collection: &str,
        reader: &str,
        after: u64,
    ) -> Result<PageRows, LogError> {
        read::page(&mut *self.readers.get().await?, collection, reader, after).await
    }

    async fn memory(&self, collection: &str, id: Uuid) -> Result<Option<MemoryRow>, LogError> {
        read::memory(&mut *self.readers.get().await?, collection, id).await
    }

    async fn memories_embedded(
        &self,
        collection: &str,
        state: EmbeddingState,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<MemoryRow>, LogError> {
        read::embedded(&mut *self.readers.get().await?, collection, state, after, limit).await
    }

    async fn embedding_counts(&self, collection: &str, model: &str) -> Result<[u64; 4], LogError> {
        read::counts(&mut *self.readers.get().await?, collection, model).await
    }

    async fn memories_about(
        &self,
        subject: &str,
        collection: Option<&str>,
    ) -> Result<Vec<MemoryPlace>, LogError> {
        read::about(&mut *self.readers.get().await?, subject, collection).await
    }

    async fn memories_from(
        &self,
        collection: &str,
        sources: &[Uuid],
    ) -> Result<Vec<MemoryPlace>, LogError> {
        read::from_sources(&mut *self.readers.get().await?, collection, sources).await
    }

    async fn scrub(&self) -> Result<(), LogError> {
        self.vacuum().await
    }

    async fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityRow>, LogError> {
        entities::list(&mut *self.readers.get().await?, query).await
    }

    async fn append_history(&self, rows: Vec<HistoryRow>) -> Result<HistoryAppended, LogError> {
        match self.work(What::AppendHistory(rows)).await? {
            CameTo::Appended(repeated) => Ok(HistoryAppended { repeated, mark: HistoryMark(0) }),
            _ => another(),
        }
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryRow>, LogError> {
        history::list(&mut *self.readers.get().await?, query).await
    }

    async fn erase_history(&self, player_id: &str) -> Result<u64, LogError> {
        match self.work(What::EraseHistory(player_id.to_owned())).await? {
            CameTo::Erased(entries) => Ok(entries),
            _ => another(),
        }
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
