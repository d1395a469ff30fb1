//! Figures of a store, for operators.

use gamemesh_repository::{LogError, Position};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::log_error;
use crate::pool::read;
use crate::schema;

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Also the sum of the lanes' positions, since positions are dense.
    pub events: Position,
    pub streams: u64,
    pub batches: u64,
    pub snapshots: u64,
    /// Idempotency keys that are remembered.
    pub keys: u64,
    /// Size of the store's tables with their indexes.
    pub bytes: u64,
    /// The last link of each lane's chain: who knows it can tell whether the log was altered before
    /// it.
    pub chains: Vec<[u8; 32]>,
}

impl PostgresStore {
    pub async fn stats(&self) -> Result<Stats, LogError> {
        read!(self.pool, connection, {
            let row = sqlx::query(
                "SELECT (SELECT sum(position)::bigint FROM lane), \
                     (SELECT count(*) FROM stream), (SELECT count(*) FROM batch), \
                     (SELECT count(*) FROM snapshot), (SELECT count(*) FROM idempotency), \
                     (SELECT sum(pg_total_relation_size(name::regclass))::bigint \
                      FROM unnest($1) AS name), \
                     (SELECT array_agg(chain ORDER BY lane) FROM lane)",
            )
            .bind(schema::tables_of(self.log))
            .fetch_one(connection)
            .await
            .map_err(log_error)?;
            of_row(&row).map_err(log_error)
        })
    }
}

fn of_row(row: &PgRow) -> sqlx::Result<Stats> {
    let count = |at| row.try_get::<i64, _>(at).map(|count| count as u64);
    let chains: Vec<Vec<u8>> = row.try_get(6)?;
    let chains: Result<_, _> = chains.into_iter().map(<[u8; 32]>::try_from).collect();
    Ok(Stats {
        events: count(0)?,
        streams: count(1)?,
        batches: count(2)?,
        snapshots: count(3)?,
        keys: count(4)?,
        bytes: count(5)?,
        chains: chains.map_err(|_| sqlx::Error::Decode("the last link of a chain".into()))?,
    })
}
