//! Errors as a program can read them.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use gamemesh_contracts::state::v1::Refusal;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    /// The stable reason, such as `VERSION_CONFLICT`; empty if the server gave none.
    pub reason: String,
    /// What is wrong, for people.
    pub message: String,
    /// The fields of the request that are wrong.
    pub fields: Vec<Field>,
    /// Facts such as `actualVersion`.
    pub facts: BTreeMap<String, String>,
    /// When a retry can succeed, if the server said so.
    pub retry_after: Option<Duration>,
    /// The call did not get an answer: the server is away, or the connection broke.
    pub transport: bool,
    /// There was no connection: the request has reached nobody.
    pub unsent: bool,
}

/// A field of the request that is wrong, and what it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub path: String,
    pub description: String,
}

impl Error {
    /// An error that arose on this side.
    pub(crate) fn local(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: String::new(),
            message: message.into(),
            fields: Vec::new(),
            facts: BTreeMap::new(),
            retry_after: None,
            transport: false,
            unsent: false,
        }
    }

    /// No answer came: the server is away, or the connection broke.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { transport: true, ..Self::local(Code::Unavailable, message) }
    }

    /// Whether the instance is gone, or is about to go: others may be well.
    pub(crate) fn is_gone(&self) -> bool {
        self.transport || self.reason == "NOT_SERVING"
    }

    /// The version that the aggregate has, from a version conflict.
    pub fn actual_version(&self) -> Option<i64> {
        self.facts.get("actualVersion")?.parse().ok()
    }

    /// Whether the same call can succeed later without being changed.
    pub fn is_transient(&self) -> bool {
        self.transport
            || self.code == Code::Unavailable
            || (self.code == Code::ResourceExhausted
                && (self.retry_after.is_some()
                    || matches!(
                        self.reason.as_str(),
                        "OVERLOADED" | "POOL_EXHAUSTED" | "RATE_LIMITED"
                    )))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        // A status that the server sent has no source: one that has was made here, from a broken
        // connection.
        let transport = status.source().is_some();
        let details = status.get_error_details();
        let info = details.error_info();
        let mut message = status.message().to_owned();
        if transport {
            message = with_causes(message, &status);
        }
        // A broken connection has many names, and for the caller one meaning.
        let broke = transport
            && matches!(status.code(), Code::Unknown | Code::Cancelled)
            && !causes(&status).any(|cause| cause.is::<TimeoutExpired>());
        Self {
            code: if broke { Code::Unavailable } else { status.code() },
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            message,
            fields: details
                .bad_request()
                .into_iter()
                .flat_map(|bad| &bad.field_violations)
                .map(|f| Field { path: f.field.clone(), description: f.description.clone() })
                .collect(),
            facts: info.map(|i| i.metadata.clone().into_iter().collect()).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            transport,
            unsent: causes(&status).any(|cause| cause.is::<ConnectError>()),
        }
    }
}

impl From<Refusal> for Error {
    /// A refusal that came as a part of an answer. It has a reason and no code of its own: those that
    /// a caller acts upon get the code that they would have had as a whole answer.
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.reason.as_str() {
            "NOT_FOUND" => Code::NotFound,
            "ALREADY_EXISTS" => Code::AlreadyExists,
            "VERSION_CONFLICT" => Code::Aborted,
            "PERMISSION_DENIED" => Code::PermissionDenied,
            "OVERLOADED" | "POOL_EXHAUSTED" | "RATE_LIMITED" | "STORAGE_FULL" => {
                Code::ResourceExhausted
            }
            "DEPENDENCY_UNAVAILABLE" | "NOT_SERVING" | "FENCED" => Code::Unavailable,
            _ => Code::FailedPrecondition,
        };
        let retry_after = refusal.facts.get("retryAfterMs").and_then(|ms| ms.parse().ok());
        Self {
            reason: refusal.reason,
            retry_after: retry_after.map(Duration::from_millis),
            fields: refusal
                .fields
                .into_iter()
                .map(|f| Field { path: f.field, description: f.description })
                .collect(),
            facts: refusal.facts.into_iter().collect(),
            ..Self::local(code, refusal.message)
        }
    }
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Self {
        Self { unsent: true, ..Self::unreachable(with_causes(error.to_string(), &error)) }
    }
}

/// The message and those of its causes: "transport error" alone helps nobody.
fn with_causes(mut message: String, error: Cause<'_>) -> String {
    for cause in causes(error).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

fn causes(error: Cause<'_>) -> impl Iterator<Item = Cause<'_>> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            write!(f, "{:?}: {}", self.code, self.message)
        } else {
            write!(f, "{}: {}", self.reason, self.message)
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn every_detail_of_a_rich_status_is_decoded() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "VERSION_CONFLICT",
            "gamemesh",
            std::collections::HashMap::from([("actualVersion".to_owned(), "7".to_owned())]),
        );
        details.add_bad_request_violation("expectedVersion", "7");
        details.set_retry_info(Some(Duration::from_millis(250)));
        let error =
            Error::from(Status::with_error_details(Code::Aborted, "is at version 7", details));

        assert_eq!(error.reason, "VERSION_CONFLICT");
        assert_eq!(error.message, "is at version 7");
        assert_eq!(error.actual_version(), Some(7));
        assert_eq!(error.fields[0].path, "expectedVersion");
        assert_eq!(error.retry_after, Some(Duration::from_millis(250)));
        assert!(!error.transport);
        assert_eq!(error.to_string(), "VERSION_CONFLICT: is at version 7");
    }

    #[test]
    fn a_refusal_within_an_answer_reads_like_one_as_a_whole() {
        let refusal = |reason: &str, fact: (&str, &str)| {
            Error::from(Refusal {
                reason: reason.into(),
                facts: [(fact.0.to_owned(), fact.1.to_owned())].into(),
                ..Refusal::default()
            })
        };
        assert_eq!(refusal("VERSION_CONFLICT", ("actualVersion", "4")).actual_version(), Some(4));
        let busy = refusal("OVERLOADED", ("retryAfterMs", "20"));
        assert_eq!(busy.retry_after, Some(Duration::from_millis(20)));
        assert!(busy.is_transient());
        assert!(!refusal("VALIDATOR_REFUSED", ("value", "4")).is_transient());
    }

    #[test]
    fn a_broken_connection_is_told_from_an_answer_of_the_server() {
        let broken = Status::from_error(Box::new(std::io::Error::other("connection reset")));
        assert!(Error::from(broken).is_transient());
        assert!(!Error::from(Status::unknown("a defect of a foreign server")).is_transient());
    }

    #[test]
    fn what_is_worth_another_try() {
        let exhausted = |reason: &str| {
            let mut details = ErrorDetails::new();
            details.set_error_info(reason, "gamemesh", std::collections::HashMap::new());
            Error::from(Status::with_error_details(Code::ResourceExhausted, "full", details))
        };
        assert!(exhausted("OVERLOADED").is_transient());
        assert!(!exhausted("PAYLOAD_TOO_LARGE").is_transient());
        assert!(!exhausted("STORAGE_FULL").is_transient());
        assert!(Error::from(Status::unavailable("draining")).is_transient());
        assert!(!Error::from(Status::aborted("conflict")).is_transient());
    }
}
