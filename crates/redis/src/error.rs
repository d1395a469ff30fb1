//! The driver's errors in the port's words.

use std::path::PathBuf;

use gamemesh_cache::L2Error;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL itself is never quoted: it can hold a password.
    #[error(
        "the URL of Redis is wrong: {why}; accepted is redis://[USER:PASSWORD@]HOST:PORT[/DB], \
             rediss:// with TLS, for a cluster redis://HOST:PORT?cluster=HOST:PORT,… or several such URLs"
    )]
    Url { why: String },
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
}

/// What came of a command that was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent: as many commands wait as may.
    PoolExhausted,
    /// There was no answer, or one that says that the server serves nobody now.
    Unavailable(String),
    /// The connection had ended before; another one may work.
    Disconnected(String),
    /// The server refused the command.
    Refused(RedisError),
}

impl Failure {
    pub(crate) fn from_redis(error: RedisError) -> Self {
        use ServerErrorKind as S;
        match error.kind() {
            ErrorKind::Server(S::Moved | S::Ask) => Self::Unavailable(format!(
                "{error}: it is a node of a cluster; name the others too (REDIS_ADDR=HOST:PORT,HOST:PORT)"
            )),
            ErrorKind::Server(
                S::BusyLoading | S::MasterDown | S::ClusterDown | S::ReadOnly | S::TryAgain,
            )
            | ErrorKind::AuthenticationFailed => Self::Unavailable(error.to_string()),
            ErrorKind::Extension if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
                Self::Unavailable(error.to_string())
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused(error),
            _ if error.is_timeout() => Self::Unavailable(error.to_string()),
            _ => Self::Disconnected(error.to_string()),
        }
    }

    /// Whether it is the answer of a server that serves.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether the key holds another type than a string.
    pub(crate) fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some("WRONGTYPE"))
    }

    pub(crate) fn is_no_script(&self) -> bool {
        matches!(self, Self::Refused(error)
            if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
    }
}

impl From<Failure> for L2Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::PoolExhausted => Self::PoolExhausted,
            Failure::Unavailable(why) | Failure::Disconnected(why) => Self::Unavailable(why),
            Failure::Refused(error) => Self::Unavailable(error.to_string()),
        }
    }
}
