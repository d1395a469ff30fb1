//! [`MemoryTables`].

mod copies;
pub(super) mod entities;
mod history;
mod partitions;
mod read;
mod write;

use async_trait::async_trait;
use gamemesh_repository::{
    CollectionRow, EmbeddingState, EntityQuery, EntityRow, HistoryAppended, HistoryPartition,
    HistoryQuery, HistoryRow, LogError, MemoryChange, MemoryOutcome, MemoryPlace, MemoryRow,
    MemoryTables, PageRows,
};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::{Failure, failure, log_error};
use crate::pool::{once, read};
use crate::replicas::{read_anywhere, read_if_there};

pub(crate) const TABLES: &[&str] =
    &["memory_collections", "memories", "memory_readers", "memory_subjects"];

#[async_trait]
impl MemoryTables for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn collections(&self) -> Result<Vec<CollectionRow>, LogError> {
        read!(self.pool, connection, read::collections(connection).await.map_err(log_error))
    }

    async fn put_collection(
        &self,
        row: CollectionRow,
        expected: u64,
    ) -> Result<Result<(), u64>, LogError> {
        self.writable()?;
        once!(
            self.pool,
            connection,
            write::collection(connection, &row, expected).await.map_err(log_error)
        )
    }

    async fn change_memories(
        &self,
        groups: Vec<Vec<MemoryChange>>,
    ) -> Result<Vec<MemoryOutcome>, LogError> {
        self.writable()?;
        once!(self.pool, connection, write::memories(connection, &groups).await)
    }

    async fn memory_page(
        &self,
        collection: &str,
        reader: &str,
        after: u64,
    ) -> Result<PageRows, LogError> {
        // A page that is read from its beginning comes from anywhere; what it lacks, from the primary.
        let reading = self.replicas.any().filter(|_| after == 0);
        let beginning = match reading {
            None => PageRows { change: after, ..PageRows::default() },
            Some(_) => read_anywhere!(self, reading, connection, {
                read::page(connection, collection, reader, after).await
            })?,
        };
        let after = beginning.change;
        let rest = read!(self.pool, connection, {
            read::page(connection, collection, reader, after).await
        });
        Ok(beginning.then(rest?))
    }

    async fn memory(&self, collection: &str, id: Uuid) -> Result<Option<MemoryRow>, LogError> {
        read!(self.pool, connection, read::memory(connection, collection, id).await)
    }

    async fn memories_embedded(
        &self,
        collection: &str,
        state: EmbeddingState,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<MemoryRow>, LogError> {
        read!(
            self.pool,
            connection,
            read::embedded(connection, collection, state, after, limit).await
        )
    }

    async fn embedding_counts(&self, collection: &str, model: &str) -> Result<[u64; 4], LogError> {
        read!(
            self.pool,
            connection,
            read::counts(connection, collection, model).await.map_err(log_error)
        )
    }

    async fn memories_about(
        &self,
        subject: &str,
        collection: Option<&str>,
    ) -> Result<Vec<MemoryPlace>, LogError> {
        read!(
            self.pool,
            connection,
            read::about(connection, subject, collection).await.map_err(log_error)
        )
    }

    async fn memories_from(
        &self,
        collection: &str,
        sources: &[Uuid],
    ) -> Result<Vec<MemoryPlace>, LogError> {
        read!(
            self.pool,
            connection,
            read::from_sources(connection, collection, sources).await.map_err(log_error)
        )
    }

    /// The tables' own files; the server's write-ahead log is recycled by the server.
    async fn scrub(&self) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, write::scrub(connection).await.map_err(log_error))
    }

    async fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityRow>, LogError> {
        let written = &query.written;
        let reading = self.replicas.of_positions(&written.positions);
        read_if_there!(reading, connection, {
            match copies::has_written(connection, written).await? {
                true => entities::list(connection, query).await.map(Some),
                false => Ok(None),
            }
        });
        read!(self.pool, connection, entities::list(connection, query).await.map_err(log_error))
    }

    async fn append_history(&self, rows: Vec<HistoryRow>) -> Result<HistoryAppended, LogError> {
        self.writable()?;
        let appended = once!(self.pool, connection, history::append(connection, &rows).await)?;
        match appended {
            // The month is not there: somebody wrote far ahead or back.
            None => {
                let times = || rows.iter().map(|row| row.time_us);
                let (from, until) =
                    (times().min().unwrap_or_default(), times().max().unwrap_or_default());
                self.make_history_partitions(from, until + 1).await?;
                let appended =
                    once!(self.pool, connection, history::append(connection, &rows).await)?;
                let gone = "a month of history went away as it was written";
                appended.ok_or_else(|| LogError::Internal(gone.to_owned()))
            }
            Some(appended) => Ok(appended),
        }
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryRow>, LogError> {
        if let Some(mark) = query.at_least {
            read_if_there!(self.replicas.any(), connection, {
                match copies::has_committed(connection, mark).await? {
                    true => history::list(connection, query).await.map(Some),
                    false => Ok(None),
                }
            });
        }
        read!(self.pool, connection, history::list(connection, query).await.map_err(log_error))
    }

    async fn erase_history(&self, player_id: &str) -> Result<u64, LogError> {
        self.writable()?;
        once!(self.pool, connection, history::erase(connection, player_id).await.map_err(log_error))
    }

    async fn history_partitions(&self) -> Result<Vec<HistoryPartition>, LogError> {
        read!(self.pool, connection, partitions::list(connection).await.map_err(log_error))
    }

    async fn make_history_partitions(&self, from_us: i64, until_us: i64) -> Result<(), LogError> {
        self.writable()?;
        once!(
            self.pool,
            connection,
            partitions::make(connection, from_us, until_us).await.map_err(log_error)
        )
    }

    async fn detach_history_partition(&self, name: &str) -> Result<bool, LogError> {
        self.writable()?;
        once!(self.pool, connection, partitions::detach(connection, name).await.map_err(log_error))
    }
}

/// A commit whose reply is lost may have taken effect.
async fn commit(transaction: sqlx::Transaction<'_, sqlx::Postgres>) -> Result<(), LogError> {
    transaction.commit().await.map_err(|error| match failure(&error) {
        Failure::Lost => LogError::Unresolved(error.to_string()),
        _ => log_error(error),
    })
}
