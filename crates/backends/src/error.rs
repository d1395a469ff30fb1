//! Why there is no store.

use gamemesh_repository::LogError;
use gamemesh_sqlite::OpenError;

/// The kinds of store of this build.
pub(crate) const ACCEPTED: &str = if cfg!(feature = "postgres") {
    "sqlite://PATH, postgres://USER:PASSWORD@HOST/DATABASE and memory:"
} else {
    "sqlite://PATH and memory:"
};

/// Each says what is accepted, or what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("{scheme}: is no kind of store; accepted are {ACCEPTED}")]
    UnknownScheme { scheme: String },
    #[error("a store is named by a URL; accepted are {ACCEPTED}")]
    NoScheme,
    #[error("this build is without the {what}; accepted are {ACCEPTED}")]
    NotBuilt { what: &'static str },
    #[error("{url} is only in the memory of the process that serves it; accepted is sqlite://PATH")]
    NothingThere { url: String },
    #[error(transparent)]
    Sqlite(#[from] OpenError),
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] gamemesh_postgres::OpenError),
    #[error(
        "this build is without the feature `kafka`; build with it, or do not set KAFKA_BROKERS"
    )]
    BusNotBuilt,
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] gamemesh_kafka::OpenError),
    #[error("this build is without the feature `redis`; build with it, or do not set REDIS_URL")]
    CacheNotBuilt,
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] gamemesh_redis::OpenError),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl BackendError {
    /// Whether the configuration is wrong, rather than the store.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(error, OpenError::Url { .. }),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => matches!(error, gamemesh_postgres::OpenError::Url { .. }),
            Self::Log(_) => false,
            _ => true,
        }
    }

    /// Whether stored bytes are damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log(cause) | Self::Sqlite(OpenError::Log { source: cause, .. }) => {
                matches!(cause, LogError::Corrupted(_))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(gamemesh_postgres::OpenError::Log { source: cause, .. }) => {
                matches!(cause, LogError::Corrupted(_))
            }
            _ => false,
        }
    }
}
