//! The one place that knows what SQLite's errors mean.

use std::path::PathBuf;

use gamemesh_domain::Code;
use gamemesh_repository::LogError;

/// Why a store cannot be opened. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{url}: {why}; accepted is sqlite:///absolute/path or sqlite://relative/path")]
    Url { url: String, why: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is in use by {owner}; stop it first, or open the store read-only", path.display())]
    InUse { path: PathBuf, owner: String },
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not a gamemesh store: {why}; choose another file", path.display())]
    Foreign { path: PathBuf, why: String },
    #[error(
        "{} has schema {found}, this program knows up to {known}; use a newer program",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "{} has schema {found}, this program needs {known}; run `gamemesh migrate` first",
        path.display()
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("{}: {source}", path.display())]
    Log { path: PathBuf, source: LogError },
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

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
mod result {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const NOTADB: i32 = 26;
    /// Extended codes of IOERR: the file system found damage.
    pub(super) const IOERR_DATA: i32 = IOERR | (32 << 8);
    pub(super) const IOERR_CORRUPTFS: i32 = IOERR | (33 << 8);
}

pub(crate) fn log_error(error: sqlx::Error) -> LogError {
    let text = error.to_string();
    match error {
        sqlx::Error::Database(database) => {
            let extended = database.code().and_then(|code| code.parse().ok()).unwrap_or(0);
            of_code(extended, text)
        }
        sqlx::Error::PoolTimedOut => LogError::PoolExhausted,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => LogError::Corrupted(text),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Configuration(_) => LogError::Unavailable(text),
        _ => LogError::Internal(text),
    }
}

fn of_code(extended: i32, text: String) -> LogError {
    if matches!(extended, result::IOERR_DATA | result::IOERR_CORRUPTFS) {
        return LogError::Corrupted(text);
    }
    match extended & 0xff {
        result::FULL => LogError::Full,
        result::READONLY => LogError::ReadOnly,
        result::CORRUPT | result::NOTADB => LogError::Corrupted(text),
        result::BUSY | result::LOCKED | result::IOERR | result::CANTOPEN => {
            LogError::Unavailable(text)
        }
        _ => LogError::Internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_codes() {
        let cases = [
            (13, "STORAGE_FULL"),
            (8, "STORAGE_READ_ONLY"),
            (8 | (4 << 8), "STORAGE_READ_ONLY"),
            (11, "DATA_CORRUPTED"),
            (26, "DATA_CORRUPTED"),
            (10 | (33 << 8), "DATA_CORRUPTED"),
            (10 | (3 << 8), "DEPENDENCY_UNAVAILABLE"),
            (5, "DEPENDENCY_UNAVAILABLE"),
            (14, "DEPENDENCY_UNAVAILABLE"),
            (19 | (8 << 8), "INTERNAL"),
        ];
        for (code, reason) in cases {
            assert_eq!(of_code(code, String::new()).code().reason(), reason, "{code}");
        }
    }
}
