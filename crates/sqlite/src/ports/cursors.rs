//! [`Cursors`] and [`TableWriter`].

use async_trait::async_trait;
use gamemesh_repository::{
    Cursor, Cursors, Lane, LogError, Position, Projected, TableSet, TableWriter,
};

use crate::SqliteStore;
use crate::error::log_error;
use crate::writer::AuxiliaryWrite;

#[async_trait]
impl Cursors for SqliteStore {
    async fn cursor(&self, projection: &str, lane: Lane) -> Result<Cursor, LogError> {
        let position: Option<i64> =
            sqlx::query_scalar("SELECT position FROM cursor WHERE projection = ?1 AND lane = ?2")
                .bind(projection)
                .bind(i64::from(lane.0))
                .fetch_optional(&mut *self.readers.get().await?)
                .await
                .map_err(log_error)?;
        let position = position.unwrap_or(0) as Position;
        Ok(Cursor { projection: projection.to_owned(), lane, position })
    }

    async fn advance(&self, from: Position, to: Cursor) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::Advance(from, to)).await
    }

    async fn reset(&self, projection: &str) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::Reset(projection.to_owned())).await
    }
}

#[async_trait]
impl TableWriter for SqliteStore {
    async fn write(&self, projected: Projected) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::Write(projected)).await
    }

    async fn clear(&self, projection: &str, tables: &[TableSet]) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::Clear(projection.to_owned(), tables.to_vec())).await
    }
}
