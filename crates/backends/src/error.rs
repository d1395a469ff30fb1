//! Why there is no store.

use gamemesh_repository::LogError;
use gamemesh_sqlite::OpenError;

/// Each says what is accepted, or what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("{scheme}: is no kind of store; accepted are sqlite://PATH and memory:")]
    UnknownScheme { scheme: String },
    #[error("a store is named by a URL; accepted are sqlite://PATH and memory:")]
    NoScheme,
    #[error("this build is without the {what}; accepted are sqlite://PATH and memory:")]
    NotBuilt { what: &'static str },
    #[error("{url} is only in the memory of the process that serves it; accepted is sqlite://PATH")]
    NothingThere { url: String },
    #[error(transparent)]
    Sqlite(#[from] OpenError),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl BackendError {
    /// Whether the configuration is wrong, rather than the store.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(error, OpenError::Url { .. }),
            Self::Log(_) => false,
            _ => true,
        }
    }

    /// Whether stored bytes are damaged.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Log(LogError::Corrupted(_))
                | Self::Sqlite(OpenError::Log { source: LogError::Corrupted(_), .. })
        )
    }
}
