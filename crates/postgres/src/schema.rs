//! The tables, and how older ones become current ones.

mod vectors;

use gamemesh_repository::{Incarnation, LogError, LogName, StoreSecret};
use sqlx::{Connection, PgConnection};

use crate::connect::Connector;
use crate::error::{OpenError, is_taken_name, is_undefined_table, log_error};
use crate::tables;
use crate::types::Uuid;

/// Whoever migrates the state holds this lock, and of the other logs one of the numbers after it. It
/// says `gamemesh`.
const ADVISORY_LOCK: i64 = 0x6761_6d65_6d65_7368;

/// Every log has these.
const LOG: &str = include_str!("../migrations/log/0001_log.sql");
const APPEND: &str = include_str!("../migrations/log/0002_append.sql");
const CURSOR: &str = include_str!("../migrations/log/0003_cursor.sql");
const LEASES: &str = include_str!("../migrations/log/0004_leases.sql");
const OWNER_EPOCH: &str = include_str!("../migrations/log/0005_owner_epoch.sql");
const SECRET: &str = include_str!("../migrations/log/0006_secret.sql");

/// A log whose service keeps documents has this.
const DOCUMENTS: &str = include_str!("../migrations/documents/0001_aggregates.sql");

/// What a log is made of.
struct Schema {
    advisory_lock: i64,
    /// Each brings the schema from its place in this list to the next number. What is new goes to the
    /// end, whether it is for one log or for all: a store applies only what comes after its number.
    steps: &'static [&'static str],
    /// What this log has beside what every log has.
    tables: &'static [&'static [&'static str]],
}

fn schema(log: LogName) -> Schema {
    let (number, steps, tables): (i64, &[&str], &[&[&str]]) = match log {
        LogName::State => (
            0,
            &[
                LOG,
                APPEND,
                include_str!("../migrations/state/0001_tables.sql"),
                LEASES,
                OWNER_EPOCH,
                include_str!("../migrations/state/0002_cursor.sql"),
                SECRET,
            ],
            &[tables::documents::TABLES, tables::state::TABLES],
        ),
        LogName::Combat => (
            1,
            &[
                LOG,
                APPEND,
                CURSOR,
                LEASES,
                OWNER_EPOCH,
                include_str!("../migrations/combat/0001_tables.sql"),
                SECRET,
            ],
            &[tables::combat::TABLES],
        ),
        LogName::Stats => (
            2,
            &[
                LOG,
                APPEND,
                CURSOR,
                LEASES,
                OWNER_EPOCH,
                include_str!("../migrations/stats/0001_tables.sql"),
                SECRET,
            ],
            &[tables::stats::TABLES],
        ),
        LogName::Memory => (
            3,
            &[
                LOG,
                APPEND,
                CURSOR,
                LEASES,
                include_str!("../migrations/memory/0001_tables.sql"),
                OWNER_EPOCH,
                DOCUMENTS,
                SECRET,
                include_str!("../migrations/memory/0002_statistics.sql"),
            ],
            &[tables::documents::TABLES, tables::memory::TABLES],
        ),
    };
    Schema { advisory_lock: ADVISORY_LOCK + number, steps, tables }
}

/// The schema of the database that a log lies in; `None`: the one that the address names first in its
/// `search_path`, which is where the state has always been.
pub(crate) const fn namespace(log: LogName) -> Option<&'static str> {
    match log {
        LogName::State => None,
        LogName::Combat => Some("gameplay"),
        LogName::Stats => Some("stats"),
        LogName::Memory => Some("memory"),
    }
}

/// The schema of a log that this program reads and writes.
pub fn schema_version(log: LogName) -> i32 {
    schema(log).steps.len() as i32
}

/// The tables of a log, for its size.
pub(crate) fn tables_of(log: LogName) -> Vec<&'static str> {
    let every = ["event", "stream", "batch", "lane", "idempotency", "snapshot", "cursor"];
    let own = schema(log).tables.iter().copied().flatten();
    every.iter().chain(own).copied().collect()
}

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
    let known = schema_version(connector.log);
    let found =
        sqlx::query_scalar("SELECT version FROM gamemesh_schema").fetch_optional(connection).await;
    match found {
        Ok(Some(found)) if found > known => {
            Err(OpenError::Newer { address: connector.address(), found, known })
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
    if connector.log == LogName::Memory {
        vectors::adopt(connection, schema(connector.log).advisory_lock)
            .await
            .map_err(|error| failed(connector, error))?;
    }
    Ok(Migrated { from: from.into(), to: schema_version(connector.log).into() })
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

/// Asked of the primary only: a standby may lag behind the migration that made the column.
pub(crate) async fn secret(
    connector: &Connector,
    connection: &mut PgConnection,
) -> Result<StoreSecret, OpenError> {
    let found: Vec<u8> = sqlx::query_scalar("SELECT secret FROM store")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(connector, error))?;
    found.try_into().map(StoreSecret::new).map_err(|_| OpenError::Log {
        address: connector.address(),
        source: LogError::Corrupted("the secret of the store".to_owned()),
    })
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
    let Schema { advisory_lock, steps, .. } = schema(connector.log);
    let mut transaction = connection.begin().await.map_err(failed)?;
    // Another instance's migration is waited for, however long it takes.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(advisory_lock)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    make_namespace(connector.log, &mut transaction).await.map_err(failed)?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS gamemesh_schema (version integer NOT NULL)")
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let at = found(connector, &mut transaction).await?;
    let Some(migration) = steps.get(at as usize) else {
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

/// Asked for first: whoever may only use a schema that was made for him may not make it.
async fn make_namespace(log: LogName, connection: &mut PgConnection) -> sqlx::Result<()> {
    let Some(namespace) = namespace(log) else { return Ok(()) };
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
            .bind(namespace)
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        // A statement of this kind takes no parameters; the name is our own.
        let sql = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {namespace}"));
        sqlx::raw_sql(sql).execute(connection).await?;
    }
    Ok(())
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
