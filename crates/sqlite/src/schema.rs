//! Which file is ours, and how an older one becomes a current one.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use crate::connect::{connect, reader};
use crate::error::{OpenError, log_error};

/// `gmls` in the header of the file: the mark by which a store is told from another database.
const APPLICATION_ID: i64 = 0x676d_6c73;

/// Each file brings the schema from its number − 1 to its number.
const MIGRATIONS: [&str; 2] = [
    include_str!("../migrations/0001_log.sql"),
    include_str!("../migrations/0002_projections.sql"),
];

/// The schema that this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// What a migration did. `from` is 0 for a new store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: i64,
    pub to: i64,
}

/// Looks at a file before anything may change it: its schema, 0 if it is absent or empty. What is
/// not a store, or a newer one, is refused.
pub(crate) async fn inspect(path: &Path) -> Result<i64, OpenError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(0);
    }
    let foreign = |why: &str| OpenError::Foreign { path: path.to_owned(), why: why.to_owned() };
    let log = |error| OpenError::Log { path: path.to_owned(), source: log_error(error) };
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
            return Err(foreign("it is no SQLite database"));
        }
        Err(error) => return Err(log(error)),
    };
    match application {
        APPLICATION_ID if found > SCHEMA_VERSION => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION })
        }
        APPLICATION_ID => Ok(found),
        0 if objects == 0 && found == 0 => Ok(0),
        _ => Err(foreign("it is the database of another application")),
    }
}

/// Applies what is missing, each step in its own transaction.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    from: i64,
) -> sqlx::Result<Migrated> {
    for (at, step) in MIGRATIONS.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        let number = at + 1;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        // A pragma takes no parameters; both values are our own numbers.
        let marks =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};");
        sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(Migrated { from, to: SCHEMA_VERSION })
}
