//! The tables beside the log: one file for each set, which writes its rows and implements the port that
//! reads them.

pub(crate) mod combat;
pub(crate) mod documents;
pub(crate) mod memory;
pub(crate) mod state;
pub(crate) mod stats;

use std::collections::BTreeMap;

use gamemesh_repository::{TableRows, TableSet};
use sqlx::PgConnection;

/// Writes rows, as part of a transaction.
pub(crate) async fn write(connection: &mut PgConnection, rows: &TableRows) -> sqlx::Result<()> {
    match rows {
        TableRows::Documents(rows) => documents::write(connection, rows).await,
        TableRows::State(rows) => state::write(connection, rows).await,
        TableRows::Combat(rows) => combat::write(connection, rows).await,
        TableRows::Entities(rows) => memory::entities::write(connection, rows).await,
    }
}

/// Empties tables, as part of a transaction.
pub(crate) async fn clear(connection: &mut PgConnection, set: TableSet) -> sqlx::Result<()> {
    let tables = match set {
        TableSet::Documents => documents::TABLES,
        TableSet::State => state::TABLES,
        TableSet::Combat => combat::TABLES,
    };
    for table in tables {
        // A table's name is no parameter; these are our own.
        let sql = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The last row of each id, since it wins, in the order of the ids: whoever writes the same rows
/// takes them in the same order.
pub(crate) fn last_rows<'a, R, K: Ord>(rows: &'a [R], id: impl Fn(&'a R) -> K) -> Vec<&'a R> {
    let last: BTreeMap<K, &R> = rows.iter().map(|row| (id(row), row)).collect();
    last.into_values().collect()
}
