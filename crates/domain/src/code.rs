//! The closed list of reasons.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $reason:literal,)+) => {
        /// Every reason for which a request can fail. The name is the stable `reason` that clients see in
        /// `google.rpc.ErrorInfo`; `gamemesh-rpc` gives each its gRPC and HTTP status, and `docs/errors.md`
        /// a page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name that clients match on.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$variant => $reason,)+
                }
            }
        }
    };
}

codes! {
    /// A field of the request is missing, malformed or out of its bounds.
    InvalidArgument = "INVALID_ARGUMENT",
    /// The body is not valid JSON or protobuf, or names a field that the message does not have.
    MalformedBody = "MALFORMED_BODY",
    /// No route has this path.
    UnknownPath = "UNKNOWN_PATH",
    /// The path exists, but not with this HTTP method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED",
    /// The content type is not one that this endpoint reads.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
    /// The request is larger than the limit for one request.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE",
    /// The aggregate type is not registered.
    UnknownType = "UNKNOWN_TYPE",
    /// The aggregate does not exist.
    NotFound = "NOT_FOUND",
    /// The aggregate exists already, and the caller asked for it not to.
    AlreadyExists = "ALREADY_EXISTS",
    /// The aggregate is at another version than the caller expected.
    VersionConflict = "VERSION_CONFLICT",
    /// The version, position or time asked for lies outside the history.
    OutOfHistory = "OUT_OF_HISTORY",
    /// The value does not fit the schema of the type: unknown field, wrong kind, out of bounds.
    SchemaViolation = "SCHEMA_VIOLATION",
    /// A declared validator refused the change.
    ValidatorRefused = "VALIDATOR_REFUSED",
    /// An operation cannot be applied to the value that is there.
    OperationRefused = "OPERATION_REFUSED",
    /// The session's status does not allow the step.
    IllegalTransition = "ILLEGAL_TRANSITION",
    /// The session is over.
    SessionEnded = "SESSION_ENDED",
    /// Every seat of the session is taken.
    SessionFull = "SESSION_FULL",
    /// The player has no seat in the session.
    NotJoined = "NOT_JOINED",
    /// A number would leave the range that it can hold.
    NumericOverflow = "NUMERIC_OVERFLOW",
    /// The idempotency key was used before with another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED",
    /// The resume or page token was not issued here or was altered.
    TokenInvalid = "TOKEN_INVALID",
    /// The token is older than it may be.
    TokenExpired = "TOKEN_EXPIRED",
    /// The token belongs to another store, or to this store before it was restored.
    TokenForeign = "TOKEN_FOREIGN",
    /// The token belongs to a request with other parameters.
    TokenMismatch = "TOKEN_MISMATCH",
    /// The credentials are missing, malformed, expired or not signed by a known key.
    Unauthenticated = "UNAUTHENTICATED",
    /// The caller's role does not allow this.
    PermissionDenied = "PERMISSION_DENIED",
    /// The caller sent more requests than its rate allows.
    RateLimited = "RATE_LIMITED",
    /// The server sheds load: a queue is full.
    Overloaded = "OVERLOADED",
    /// No connection became free in time.
    PoolExhausted = "POOL_EXHAUSTED",
    /// The storage has no room left.
    StorageFull = "STORAGE_FULL",
    /// The storage can be read but not written.
    StorageReadOnly = "STORAGE_READ_ONLY",
    /// A dependency cannot be reached.
    DependencyUnavailable = "DEPENDENCY_UNAVAILABLE",
    /// The server is starting or draining.
    NotServing = "NOT_SERVING",
    /// The subscriber was too slow for the mode that it chose.
    SlowConsumer = "SLOW_CONSUMER",
    /// Another owner holds the lane; the write was not applied.
    Fenced = "FENCED",
    /// The deadline passed before the work was done.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// The caller went away.
    Cancelled = "CANCELLED",
    /// The server does not have this method.
    Unimplemented = "UNIMPLEMENTED",
    /// Stored bytes fail their checksum or their chain.
    DataCorrupted = "DATA_CORRUPTED",
    /// A defect of the server.
    Internal = "INTERNAL",
}
