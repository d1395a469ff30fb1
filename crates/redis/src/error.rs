//! The client's errors in the port's words.

use gamemesh_cache::L2Error;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL itself is never quoted: it can hold a password.
    #[error(
        "the URL of Redis is wrong: {why}; accepted is redis://[USER:PASSWORD@]HOST:PORT[/DB], \
             for a cluster redis://HOST:PORT?cluster=HOST:PORT,… or several such URLs"
    )]
    Url { why: String },
}

/// What came of a command that was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was asked: too many do already.
    Crowded,
    /// There was no answer, or one that says that the server serves nobody now.
    Away(String),
    /// The connection had ended before; another may do.
    Ended(String),
    /// The server answered that it would not.
    Refused(RedisError),
}

impl Failure {
    pub(crate) fn of(error: RedisError) -> Self {
        use ServerErrorKind as S;
        match error.kind() {
            ErrorKind::Server(S::Moved | S::Ask) => Self::Away(format!(
                "{error}: it is a node of a cluster; name the others too (REDIS_ADDR=HOST:PORT,HOST:PORT)"
            )),
            ErrorKind::Server(
                S::BusyLoading | S::MasterDown | S::ClusterDown | S::ReadOnly | S::TryAgain,
            )
            | ErrorKind::AuthenticationFailed => Self::Away(error.to_string()),
            ErrorKind::Extension if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
                Self::Away(error.to_string())
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused(error),
            _ if error.is_timeout() => Self::Away(error.to_string()),
            _ => Self::Ended(error.to_string()),
        }
    }

    /// Whether a server answered that is there to serve.
    pub(crate) fn reached(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether another kind of value is there than a string.
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
            Failure::Crowded => Self::PoolExhausted,
            Failure::Away(why) | Failure::Ended(why) => Self::Unavailable(why),
            Failure::Refused(error) => Self::Unavailable(error.to_string()),
        }
    }
}
