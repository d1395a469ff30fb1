//! The tables, and how older ones become current ones.

use gamemesh_repository::Incarnation;
use sqlx::{Connection, PgConnection};

use crate::connect::Connector;
use crate::error::{OpenError, is_taken_name, is_undefined_table, log_error};
use crate::types::Uuid;

/// Whoever migrates holds this lock. It says `gamemesh`.
const ADVISORY_LOCK: i64 = 0x6761_6d65_6d65_7368;

/// Each file brings the schema from its number − 1 to its number.
const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/0001_log.sql"),
    include_str!("../migrations/0002_append.sql"),
    include_str!("../migrations/0003_projections.sql"),
    include_str!("../migrations/0004_leases.sql"),
];

/// The schema that this program reads and writes.
pub const SCHEMA_VERSION: i32 = MIGRATIONS.len() as i32;

/// What a migration did. `from` is 0 for a new store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: i64,
    pub to: i64,
}

/// What a store says of itself.
pub(crate) struct Identity {
    pub(crate) incarnation: Incarnation,
    pub(crate) lanes: u16,
}

/// The schema that is there, 0 if there is none. A newer one is refused.
pub(crate) async fn found(
    connector: &Connector,
    connection: &mut PgConnection,
) -> Result<i32, OpenError> {
    let found =
        sqlx::query_scalar("SELECT version FROM gamemesh_schema").fetch_optional(connection).await;
    match found {
        Ok(Some(found)) if found > SCHEMA_VERSION => {
            Err(OpenError::Newer { address: connector.address(), found, known: SCHEMA_VERSION })
        }
        Ok(found) => Ok(found.unwrap_or(0)),
        Err(error) if is_undefined_table(&error) => Ok(0),
        Err(error) => Err(failed(connector, error)),
    }
}

/// Applies what is missing, each step in its own transaction, and makes the store if there is none.
pub(crate) async fn migrate(
    connector: &Connector,
    connection: &mut PgConnection,
    lanes: u16,
) -> Result<Migrated, OpenError> {
    let from = found(connector, connection).await?;
    while step(connector, connection, lanes).await? {}
    Ok(Migrated { from: from.into(), to: SCHEMA_VERSION.into() })
}

pub(crate) async fn identity(
    connector: &Connector,
    connection: &mut PgConnection,
) -> Result<Identity, OpenError> {
    let found: Option<(Uuid, i16)> = sqlx::query_as("SELECT incarnation, lanes FROM store")
        .fetch_optional(connection)
        .await
        .map_err(|error| failed(connector, error))?;
    let (Uuid(incarnation), lanes) =
        found.ok_or_else(|| OpenError::Missing { address: connector.address() })?;
    Ok(Identity { incarnation: Incarnation(incarnation.into_bytes()), lanes: lanes as u16 })
}

pub(crate) fn failed(connector: &Connector, error: sqlx::Error) -> OpenError {
    OpenError::Log { address: connector.address(), source: log_error(error) }
}

/// One step under the lock. False: there was nothing left to do.
async fn step(
    connector: &Connector,
    connection: &mut PgConnection,
    lanes: u16,
) -> Result<bool, OpenError> {
    let failed = |error| failed(connector, error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    // Another instance's migration is waited for, however long it takes.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(ADVISORY_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS gamemesh_schema (version integer NOT NULL)")
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let at = found(connector, &mut transaction).await?;
    let Some(migration) = MIGRATIONS.get(at as usize) else {
        return Ok(false);
    };
    sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(|error| {
        if is_taken_name(&error) {
            OpenError::Foreign { address: connector.address(), why: error.to_string() }
        } else {
            failed(error)
        }
    })?;
    if at == 0 {
        make_store(&mut transaction, lanes).await.map_err(failed)?;
    }
    let mark = if at == 0 {
        "INSERT INTO gamemesh_schema (version) VALUES ($1)"
    } else {
        "UPDATE gamemesh_schema SET version = $1"
    };
    sqlx::query(mark).bind(at + 1).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

async fn make_store(connection: &mut PgConnection, lanes: u16) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO store (incarnation, lanes) VALUES ($1, $2)")
        .bind(Uuid(uuid::Uuid::new_v4()))
        .bind(lanes as i16)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO lane (lane, position, epoch, time_us, last_stream, chain) \
         SELECT lane, 0, 1, $2, 0, $3 FROM generate_series(0, $1 - 1) AS lane",
    )
    .bind(i32::from(lanes))
    .bind(i64::MIN)
    .bind(&[0_u8; 32][..])
    .execute(connection)
    .await
    .map(drop)
}
