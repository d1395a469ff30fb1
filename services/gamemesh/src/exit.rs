//! How a command ends: the exit codes, and the one form of a problem.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Deref;
use std::process::ExitCode;

use gamemesh_backends::BackendError;
use gamemesh_repository::LogError;
use gamemesh_rpc::config::ConfigErrors;
use serde::Serialize;
use tonic::Code;

/// Printed under `gamemesh --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  failed for another reason
   2  wrong usage
   3  not found
   4  conflict: another version, or it exists already
   5  refused: invalid, or against a rule of the type
   6  unavailable: no server, no answer in time, or too busy
   7  not allowed: the token is missing, invalid or of a role without the permission
   8  damaged: stored bytes fail their checks
  64  bad configuration
 130  ended by a second signal while draining";

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    #[default]
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Conflict = 4,
    Refused = 5,
    Unavailable = 6,
    Denied = 7,
    Damaged = 8,
    Config = 64,
    /// A second signal ended a server that was draining, as a shell reports it.
    Aborted = 130,
}

impl Exit {
    pub(crate) fn of_serving(outcome: gamemesh_launch::Outcome) -> Self {
        match outcome {
            // A drain that took too long is still an orderly end.
            gamemesh_launch::Outcome::Drained | gamemesh_launch::Outcome::CutOff => Self::Done,
            gamemesh_launch::Outcome::Aborted => Self::Aborted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

pub(crate) type Outcome<T = Exit> = Result<T, Problem>;

/// Why a command failed, and what can be done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem(Box<Explained>);

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    #[serde(skip)]
    pub(crate) exit: Exit,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) fields: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) facts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Deref for Problem {
    type Target = Explained;

    fn deref(&self) -> &Explained {
        &self.0
    }
}

impl Problem {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Explained { exit, message: message.to_string(), ..Explained::default() }.into()
    }

    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }
}

impl From<Explained> for Problem {
    fn from(explained: Explained) -> Self {
        Self(Box::new(explained))
    }
}

impl From<gamemesh_client::Error> for Problem {
    fn from(error: gamemesh_client::Error) -> Self {
        let exit = exit_of(error.code, error.transport);
        let hint = hint(exit, &error);
        let fields = error.fields.into_iter().map(|f| (f.path, f.description)).collect();
        let (reason, message, facts) = (error.reason, error.message, error.facts);
        Explained { exit, reason, message, fields, facts, hint }.into()
    }
}

fn exit_of(code: Code, transport: bool) -> Exit {
    match code {
        _ if transport => Exit::Unavailable,
        Code::NotFound => Exit::NotFound,
        Code::Aborted | Code::AlreadyExists => Exit::Conflict,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => Exit::Refused,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Exit::Unavailable,
        Code::Unauthenticated | Code::PermissionDenied => Exit::Denied,
        Code::DataLoss => Exit::Damaged,
        _ => Exit::Failed,
    }
}

fn hint(exit: Exit, error: &gamemesh_client::Error) -> Option<String> {
    let hint = match exit {
        Exit::Unavailable if error.transport => {
            "is the server running? `gamemesh serve` starts one; --url or GAMEMESH_URL names it"
                .into()
        }
        Exit::Unavailable => {
            format!(
                "try again in {:?}",
                error.retry_after.unwrap_or(std::time::Duration::from_secs(1))
            )
        }
        Exit::Conflict => match error.actual_version() {
            Some(actual) => format!("read it again: it is at version {actual} now"),
            None => return None,
        },
        Exit::Denied => {
            "`gamemesh token` makes a token; --token or GAMEMESH_TOKEN passes it".into()
        }
        _ => return None,
    };
    Some(hint)
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let exit = match &error {
            LogError::Corrupted(_) => Exit::Damaged,
            LogError::Unavailable(_) | LogError::Overloaded | LogError::PoolExhausted => {
                Exit::Unavailable
            }
            _ => Exit::Failed,
        };
        let reason = error.code().reason().to_owned();
        Explained { exit, reason, message: error.to_string(), ..Explained::default() }.into()
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        let exit = match &error {
            error if error.is_damage() => Exit::Damaged,
            error if error.is_configuration() => Exit::Config,
            _ => Exit::Unavailable,
        };
        Self::new(exit, error)
    }
}

impl From<ConfigErrors> for Problem {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(Exit::Config, errors).hint("`gamemesh serve --help` explains each key")
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_has_its_exit_code() {
        let table = [
            (Code::NotFound, Exit::NotFound),
            (Code::Aborted, Exit::Conflict),
            (Code::AlreadyExists, Exit::Conflict),
            (Code::InvalidArgument, Exit::Refused),
            (Code::OutOfRange, Exit::Refused),
            (Code::Unavailable, Exit::Unavailable),
            (Code::DeadlineExceeded, Exit::Unavailable),
            (Code::PermissionDenied, Exit::Denied),
            (Code::DataLoss, Exit::Damaged),
            (Code::Internal, Exit::Failed),
        ];
        for (code, exit) in table {
            assert_eq!(exit_of(code, false), exit, "{code:?}");
        }
        assert_eq!(exit_of(Code::Unknown, true), Exit::Unavailable);
    }
}
