//! The one table from a refusal to the world: code to gRPC status, HTTP status, retry.

mod json;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use gamemesh_domain::{Code, Detail, Error};
use tonic::{Code as Grpc, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::refusals::log_context;
pub use json::{to_http, to_json};

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "gamemesh";

/// What the world sees of a [`Code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub grpc: Grpc,
    pub http: u16,
    /// Whether the same request can succeed later without being changed.
    pub retryable: bool,
}

/// The row of a code.
pub const fn row(code: Code) -> Row {
    const fn r(grpc: Grpc, http: u16, retryable: bool) -> Row {
        Row { grpc, http, retryable }
    }
    match code {
        Code::InvalidArgument => r(Grpc::InvalidArgument, 400, false),
        Code::MalformedBody => r(Grpc::InvalidArgument, 400, false),
        Code::UnknownPath => r(Grpc::NotFound, 404, false),
        Code::MethodNotAllowed => r(Grpc::Unimplemented, 405, false),
        Code::UnsupportedMediaType => r(Grpc::InvalidArgument, 415, false),
        Code::PayloadTooLarge => r(Grpc::ResourceExhausted, 413, false),
        Code::UnknownType => r(Grpc::InvalidArgument, 400, false),
        Code::NotFound => r(Grpc::NotFound, 404, false),
        Code::AlreadyExists => r(Grpc::AlreadyExists, 409, false),
        Code::VersionConflict => r(Grpc::Aborted, 409, false),
        Code::OutOfHistory => r(Grpc::OutOfRange, 400, false),
        Code::SchemaViolation => r(Grpc::InvalidArgument, 400, false),
        Code::ValidatorRefused => r(Grpc::FailedPrecondition, 400, false),
        Code::OperationRefused => r(Grpc::FailedPrecondition, 400, false),
        Code::IllegalTransition => r(Grpc::FailedPrecondition, 400, false),
        Code::SessionEnded => r(Grpc::FailedPrecondition, 400, false),
        Code::SessionFull => r(Grpc::FailedPrecondition, 400, false),
        Code::NotJoined => r(Grpc::FailedPrecondition, 400, false),
        Code::NumericOverflow => r(Grpc::OutOfRange, 400, false),
        Code::IdempotencyKeyReused => r(Grpc::InvalidArgument, 400, false),
        Code::TokenInvalid => r(Grpc::InvalidArgument, 400, false),
        Code::TokenExpired => r(Grpc::FailedPrecondition, 400, false),
        Code::TokenForeign => r(Grpc::FailedPrecondition, 400, false),
        Code::TokenMismatch => r(Grpc::InvalidArgument, 400, false),
        Code::Unauthenticated => r(Grpc::Unauthenticated, 401, false),
        Code::PermissionDenied => r(Grpc::PermissionDenied, 403, false),
        Code::RateLimited => r(Grpc::ResourceExhausted, 429, true),
        Code::Overloaded => r(Grpc::ResourceExhausted, 429, true),
        Code::PoolExhausted => r(Grpc::ResourceExhausted, 429, true),
        Code::StorageFull => r(Grpc::ResourceExhausted, 429, true),
        Code::StorageReadOnly => r(Grpc::FailedPrecondition, 400, false),
        Code::DependencyUnavailable => r(Grpc::Unavailable, 503, true),
        Code::NotServing => r(Grpc::Unavailable, 503, true),
        Code::SlowConsumer => r(Grpc::Aborted, 409, true),
        Code::Fenced => r(Grpc::Unavailable, 503, true),
        Code::DeadlineExceeded => r(Grpc::DeadlineExceeded, 504, true),
        Code::Cancelled => r(Grpc::Cancelled, 499, false),
        Code::Unimplemented => r(Grpc::Unimplemented, 501, false),
        Code::DataCorrupted => r(Grpc::DataLoss, 500, false),
        Code::Internal => r(Grpc::Internal, 500, false),
    }
}

/// `?` from the domain's errors into gRPC's: `load().or_status()?`.
pub trait OrStatus<T> {
    fn or_status(self) -> Result<T, Status>;
}

impl<T> OrStatus<T> for gamemesh_domain::Result<T> {
    fn or_status(self) -> Result<T, Status> {
        self.map_err(|error| to_status(&error))
    }
}

/// The status of an error, with `ErrorInfo`, `BadRequest`, `PreconditionFailure` and `RetryInfo`
/// as it calls for. The error's context goes to the log and nowhere else.
pub fn to_status(error: &Error) -> Status {
    let mut facts = HashMap::new();
    let mut details = ErrorDetails::new();
    for detail in &error.details {
        match detail {
            Detail::Field { field, description } => {
                details.add_bad_request_violation(field, description);
            }
            Detail::Fact { key, value } => {
                facts.insert((*key).to_owned(), value.clone());
            }
            Detail::RetryAfter(delay) => {
                details.set_retry_info(Some(*delay));
            }
        }
    }
    if row(error.code).grpc == Grpc::FailedPrecondition {
        let subject = error.details.iter().find_map(|detail| match detail {
            Detail::Field { field, .. } => Some(field.as_str()),
            Detail::Fact { .. } | Detail::RetryAfter(_) => None,
        });
        details.add_precondition_failure_violation(
            error.code.reason(),
            subject.unwrap_or_default(),
            &error.message,
        );
    }
    details.set_error_info(error.code.reason(), DOMAIN, facts);
    if let Some(context) = &error.context {
        log_context(error.code, &error.message, context);
    }
    Status::with_error_details(row(error.code).grpc, &error.message, details)
}
