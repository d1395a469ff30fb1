//! The tables beside the log: one file for each set, which writes its rows and implements the port that
//! reads them.

mod combat;
mod documents;
pub(crate) mod memory;
mod state;
pub(crate) mod stats;

use std::collections::HashMap;

use gamemesh_repository::{TableRows, TableSet};
use sqlx::SqliteConnection;

/// Writes rows, as part of a transaction.
pub(crate) async fn write(connection: &mut SqliteConnection, rows: &TableRows) -> sqlx::Result<()> {
    match rows {
        TableRows::Documents(rows) => documents::write(connection, rows).await,
        TableRows::State(rows) => state::write(connection, rows).await,
        TableRows::Combat(rows) => combat::write(connection, rows).await,
        TableRows::Entities(rows) => memory::entities::write(connection, rows).await,
    }
}

/// Empties tables, as part of a transaction.
pub(crate) async fn clear(connection: &mut SqliteConnection, set: TableSet) -> sqlx::Result<()> {
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

/// The last row of each id, since it wins; those that are deleted, and the others.
pub(crate) fn last_rows<'a, R>(
    rows: &'a [R],
    id_and_deleted: impl Fn(&'a R) -> (&'a String, bool),
) -> (Vec<&'a R>, Vec<&'a R>) {
    let last: HashMap<_, _> = rows.iter().map(|row| (id_and_deleted(row).0, row)).collect();
    last.into_values().partition(|row| id_and_deleted(row).1)
}
