//! One error for every rule: a code, a message for the caller, and what he needs to mend it.

use std::fmt;
use std::time::Duration;

use crate::Code;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal. `message` and `details` are for the caller; `context` is for the log only.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    pub code: Code,
    pub message: String,
    pub details: Vec<Detail>,
    pub context: Option<String>,
}

/// One part of an error that a program can read.
#[derive(Debug, Clone, PartialEq)]
pub enum Detail {
    /// A field of the request that is wrong, as a path (`position.x`), and what it accepts.
    Field { field: String, description: String },
    /// A named value, such as `actualVersion` of a conflict. Keys are camelCase.
    Fact { key: &'static str, value: String },
    /// When a retry can succeed.
    RetryAfter(Duration),
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), context: None }
    }

    /// A request field that is wrong: `what` says what the field accepts.
    pub fn invalid(field: impl Into<String>, what: impl Into<String>) -> Self {
        let (field, what) = (field.into(), what.into());
        Self::new(Code::InvalidArgument, format!("{field}: {what}")).with_field(field, what)
    }

    /// A defect or a fault whose cause must not reach the caller.
    pub fn internal(context: impl fmt::Display) -> Self {
        Self::new(Code::Internal, "internal error").with_context(context)
    }

    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.details.push(Detail::Field { field: field.into(), description: description.into() });
        self
    }

    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass numbers, texts and names alike"
    )]
    pub fn with_fact(mut self, key: &'static str, value: impl ToString) -> Self {
        self.details.push(Detail::Fact { key, value: value.to_string() });
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.details.push(Detail::RetryAfter(delay));
        self
    }

    /// What the log should say beside the message.
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.context = Some(context.to_string());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.reason(), self.message)?;
        match &self.context {
            Some(context) => write!(f, " ({context})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
