//! How a measurement ends.

use std::fmt::Display;

pub(crate) type Outcome<T = ()> = Result<T, Problem>;

/// Why a measurement failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Problem(String);

impl Problem {
    pub(crate) fn failed(message: impl Display) -> Self {
        Self(message.to_string())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl From<gamemesh_client::Error> for Problem {
    fn from(error: gamemesh_client::Error) -> Self {
        Self::failed(error)
    }
}
