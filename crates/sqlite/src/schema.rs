//! Which file is ours, and how an older one becomes a current one.

use std::path::Path;

use gamemesh_repository::LogName;
use sqlx::{Connection, SqliteConnection};

use crate::connect::{connect, reader};
use crate::error::{OpenError, log_error};

/// Every log has these.
const LOG: &str = include_str!("../migrations/log/0001_log.sql");
const CURSOR: &str = include_str!("../migrations/log/0002_cursor.sql");
const LANE: &str = include_str!("../migrations/log/0003_lane.sql");
const SECRET: &str = include_str!("../migrations/log/0004_secret.sql");

/// A log whose service keeps documents has this.
const DOCUMENTS: &str = include_str!("../migrations/documents/0001_aggregates.sql");

/// What a log is made of.
struct Schema {
    /// The mark in the header of the file, by which it is told from another database, and from
    /// another log: `gml` and a letter.
    application_id: i64,
    /// Each brings the schema from its place in this list to the next number. What is new goes to the
    /// end, whether it is for one log or for all: a store applies only what comes after its number.
    steps: &'static [&'static str],
}

fn schema(log: LogName) -> Schema {
    let (letter, steps): (u8, &[&str]) = match log {
        LogName::State => (
            b's',
            &[
                LOG,
                include_str!("../migrations/state/0001_tables.sql"),
                LANE,
                include_str!("../migrations/state/0002_cursor.sql"),
                SECRET,
            ],
        ),
        LogName::Combat => (
            b'c',
            &[LOG, CURSOR, LANE, include_str!("../migrations/combat/0001_tables.sql"), SECRET],
        ),
        LogName::Stats => (
            b't',
            &[LOG, CURSOR, LANE, include_str!("../migrations/stats/0001_tables.sql"), SECRET],
        ),
        LogName::Memory => (
            b'm',
            &[
                LOG,
                CURSOR,
                include_str!("../migrations/memory/0001_tables.sql"),
                LANE,
                DOCUMENTS,
                SECRET,
            ],
        ),
    };
    Schema { application_id: 0x676d_6c00 | i64::from(letter), steps }
}

/// The schema of a log that this program reads and writes.
pub fn schema_version(log: LogName) -> i64 {
    schema(log).steps.len() as i64
}

/// What a migration did. `from` is 0 for a new store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: i64,
    pub to: i64,
}

/// Looks at a file before anything may change it: its schema, 0 if it is absent or empty. What is
/// not this log, or a newer one, is refused.
pub(crate) async fn inspect(path: &Path, log: LogName) -> Result<i64, OpenError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(0);
    }
    let foreign = |why: String| OpenError::Foreign { path: path.to_owned(), why };
    let failed = |error| OpenError::Log { path: path.to_owned(), source: log_error(error) };
    let header: sqlx::Result<(i64, i64, i64)> = async {
        let mut connection = match connect(&reader(path, false)).await {
            Ok(connection) => connection,
            Err(_) => connect(&reader(path, true)).await?,
        };
        let header = sqlx::query_as(
            "SELECT (SELECT application_id FROM pragma_application_id), \
             (SELECT user_version FROM pragma_user_version), \
             (SELECT count(*) FROM sqlite_schema)",
        )
        .fetch_one(&mut connection)
        .await;
        connection.close().await?;
        header
    }
    .await;
    let (application, found, objects) = match header {
        Ok(header) => header,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("26") => {
            return Err(foreign("it is no SQLite database".to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    if let Some(other) = LogName::ALL.into_iter().find(|l| schema(*l).application_id == application)
        && other != log
    {
        return Err(foreign(format!("it is the log of {other}, not of {log}")));
    }
    let Schema { application_id, steps } = schema(log);
    let known = steps.len() as i64;
    match (application, objects, found) {
        (application, _, found) if application == application_id && found > known => {
            Err(OpenError::Newer { path: path.to_owned(), found, known })
        }
        (application, _, found) if application == application_id => Ok(found),
        (0, 0, 0) => Ok(0),
        _ => Err(foreign("it is the database of another application".to_owned())),
    }
}

/// Applies what is missing, each step in its own transaction.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    log: LogName,
    from: i64,
) -> sqlx::Result<Migrated> {
    let Schema { application_id, steps } = schema(log);
    for (at, step) in steps.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        let number = at + 1;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        // A pragma takes no parameters; both values are our own numbers.
        let marks =
            format!("PRAGMA application_id = {application_id}; PRAGMA user_version = {number};");
        sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(Migrated { from, to: steps.len() as i64 })
}
