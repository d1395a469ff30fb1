//! The one place that knows what PostgreSQL's errors mean.

use gamemesh_domain::Code;
use gamemesh_repository::LogError;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// Why a store cannot be opened. Each says what to do about it. The address is shown without its
/// password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the address of the database: {why}; accepted is postgres://user:password@host/database"
    )]
    Url { why: String },
    #[error("{address} holds no store; run `gamemesh migrate` first")]
    Missing { address: String },
    #[error(
        "{address} has a table of another application where the store's would be: {why}; choose \
         another database or schema"
    )]
    Foreign { address: String, why: String },
    #[error("{address} has schema {found}, this program knows up to {known}; use a newer program")]
    Newer { address: String, found: i32, known: i32 },
    #[error(
        "{address} has schema {found}, this program needs {known}; run `gamemesh migrate` first"
    )]
    Older { address: String, found: i32, known: i32 },
    #[error("{address}: {source}")]
    Log { address: String, source: LogError },
}

impl OpenError {
    pub fn code(&self) -> Code {
        match self {
            Self::Log { source, .. } => source.code(),
            Self::Url { .. } => Code::InvalidArgument,
            _ => Code::DependencyUnavailable,
        }
    }
}

/// What a failed statement means to its writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another epoch has the lane. Nothing is written.
    Fenced,
    /// A key or a stream that was taken to be new is there. Nothing is written.
    Taken,
    /// The server ended this transaction in favour of another. Nothing is written.
    Yielded,
    /// The connection ended. What was sent may have taken effect.
    Lost,
    /// Nothing is written, and trying again would not help.
    Refused,
}

/// Conditions by SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
mod state {
    /// Raised by `raise_fenced` of our own migrations.
    pub(super) const FENCED: &str = "GM001";
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    pub(super) const READ_ONLY_SQL_TRANSACTION: &str = "25006";
    pub(super) const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: &str = "25P03";
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK_DETECTED: &str = "40P01";
    pub(super) const DUPLICATE_TABLE: &str = "42P07";
    pub(super) const DUPLICATE_FUNCTION: &str = "42723";
    pub(super) const UNDEFINED_TABLE: &str = "42P01";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const OUT_OF_MEMORY: &str = "53200";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(super) const QUERY_CANCELED: &str = "57014";
    pub(super) const ADMIN_SHUTDOWN: &str = "57P01";
    pub(super) const CRASH_SHUTDOWN: &str = "57P02";
    pub(super) const CANNOT_CONNECT_NOW: &str = "57P03";
    pub(super) const DATABASE_DROPPED: &str = "57P04";
    pub(super) const IDLE_SESSION_TIMEOUT: &str = "57P05";
    pub(super) const IO_ERROR: &str = "58030";
    pub(super) const DATA_CORRUPTED: &str = "XX001";
    pub(super) const INDEX_CORRUPTED: &str = "XX002";
    /// All of the class end the connection.
    pub(super) const CLASS_CONNECTION_EXCEPTION: &str = "08";
    pub(super) const CLASS_INVALID_AUTHORIZATION: &str = "28";
    pub(super) const INVALID_CATALOG_NAME: &str = "3D000";
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn log_error(error: sqlx::Error) -> LogError {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(database) => of_state(&code(&**database), text),
        sqlx::Error::PoolTimedOut => LogError::PoolExhausted,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => LogError::Corrupted(text),
        _ if ends_connection(&error) => LogError::Unavailable(text),
        _ => LogError::Internal(text),
    }
}

/// What the failure of a write means. It is the writer's to know whether anything was sent.
pub(crate) fn failure(error: &sqlx::Error) -> Failure {
    let sqlx::Error::Database(database) = error else {
        return if ends_connection(error) { Failure::Lost } else { Failure::Refused };
    };
    match &*code(&**database) {
        state::FENCED => Failure::Fenced,
        state::UNIQUE_VIOLATION if is_taken(&**database) => Failure::Taken,
        state::SERIALIZATION_FAILURE | state::DEADLOCK_DETECTED => Failure::Yielded,
        state if ends_session(state) => Failure::Lost,
        _ => Failure::Refused,
    }
}

fn is_taken(error: &dyn DatabaseError) -> bool {
    ["idempotency_pkey", "stream_name_key"].map(Some).contains(&error.constraint())
}

/// Whether a table of this name, or a function, was there before ours.
pub(crate) fn is_taken_name(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database)
        if [state::DUPLICATE_TABLE, state::DUPLICATE_FUNCTION].contains(&&*code(&**database)))
}

pub(crate) fn is_undefined_table(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database)
        if code(&**database) == state::UNDEFINED_TABLE)
}

fn code(error: &dyn DatabaseError) -> String {
    error.try_downcast_ref::<PgDatabaseError>().map_or_else(String::new, |e| e.code().to_owned())
}

fn ends_connection(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

fn ends_session(code: &str) -> bool {
    code.starts_with(state::CLASS_CONNECTION_EXCEPTION)
        || [
            state::ADMIN_SHUTDOWN,
            state::CRASH_SHUTDOWN,
            state::CANNOT_CONNECT_NOW,
            state::DATABASE_DROPPED,
            state::IDLE_SESSION_TIMEOUT,
            state::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(&code)
}

fn of_state(code: &str, text: String) -> LogError {
    match code {
        state::FENCED => LogError::Fenced,
        state::DISK_FULL => LogError::Full,
        state::READ_ONLY_SQL_TRANSACTION => LogError::ReadOnly,
        state::DATA_CORRUPTED | state::INDEX_CORRUPTED => LogError::Corrupted(text),
        state::TOO_MANY_CONNECTIONS => LogError::PoolExhausted,
        state::LOCK_NOT_AVAILABLE
        | state::QUERY_CANCELED
        | state::OUT_OF_MEMORY
        | state::IO_ERROR
        | state::SERIALIZATION_FAILURE
        | state::DEADLOCK_DETECTED
        | state::INVALID_CATALOG_NAME => LogError::Unavailable(text),
        code if ends_session(code) || code.starts_with(state::CLASS_INVALID_AUTHORIZATION) => {
            LogError::Unavailable(text)
        }
        _ => LogError::Internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let cases = [
            ("GM001", "FENCED"),
            ("53100", "STORAGE_FULL"),
            ("25006", "STORAGE_READ_ONLY"),
            ("XX001", "DATA_CORRUPTED"),
            ("XX002", "DATA_CORRUPTED"),
            ("53300", "POOL_EXHAUSTED"),
            ("55P03", "DEPENDENCY_UNAVAILABLE"),
            ("57014", "DEPENDENCY_UNAVAILABLE"),
            ("57P01", "DEPENDENCY_UNAVAILABLE"),
            ("57P03", "DEPENDENCY_UNAVAILABLE"),
            ("25P03", "DEPENDENCY_UNAVAILABLE"),
            ("08006", "DEPENDENCY_UNAVAILABLE"),
            ("28P01", "DEPENDENCY_UNAVAILABLE"),
            ("3D000", "DEPENDENCY_UNAVAILABLE"),
            ("40P01", "DEPENDENCY_UNAVAILABLE"),
            ("22021", "INTERNAL"),
            ("", "INTERNAL"),
        ];
        for (code, reason) in cases {
            assert_eq!(of_state(code, String::new()).code().reason(), reason, "{code}");
        }
    }

    #[test]
    fn what_ends_a_connection_is_in_doubt() {
        let lost = sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(failure(&lost), Failure::Lost);
        assert_eq!(failure(&sqlx::Error::RowNotFound), Failure::Refused);
        for (code, ends) in [("57P01", true), ("08003", true), ("57014", false), ("53100", false)] {
            assert_eq!(ends_session(code), ends, "{code}");
        }
    }
}
