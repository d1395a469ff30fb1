//! A refusal as HTTP: `google.rpc.Status` in JSON, and the status code and headers that go with it.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Body;
use gamemesh_rpc::error::{Code, DOMAIN, Error, row, to_status};
use http::{HeaderValue, Response, StatusCode, header};
use prost_reflect::DescriptorPool;
use tonic::Status;

use crate::json::{write_any, write_string};
use crate::metadata;
use crate::schema::Schema;
use crate::wire::{Fields, Value};

/// The messages that details are made of, whatever API is served.
static DETAILS: LazyLock<Schema> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap_or_default();
    Schema::compile(&pool)
});

/// HTTP status by the `reason` of our own errors.
static REASONS: LazyLock<HashMap<&str, u16>> =
    LazyLock::new(|| Code::ALL.iter().map(|code| (code.reason(), row(*code).http)).collect());

/// The answer to a refusal of the gateway itself.
pub(crate) fn refusal(schema: &Schema, error: &Error) -> Response<Body> {
    response(schema, &to_status(error))
}

/// The answer to a call that failed.
pub(crate) fn response(schema: &Schema, status: &Status) -> Response<Body> {
    let details = Details::of(status);
    let mut response = Response::new(Body::from(json(schema, status)));
    *response.status_mut() = details.http_status(status.code());
    let headers = response.headers_mut();
    metadata::into_headers(status.metadata().as_ref(), headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = details.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if response.status() == StatusCode::UNAUTHORIZED
        && !response.headers().contains_key(header::WWW_AUTHENTICATE)
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// `{"code":…,"message":…,"details":[…]}`.
pub(crate) fn json(schema: &Schema, status: &Status) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(format!("{{\"code\":{},\"message\":", status.code() as i32).as_bytes());
    write_string(&mut out, status.message());
    out.extend_from_slice(b",\"details\":[");
    let mut first = true;
    for any in anys(status) {
        let start = out.len();
        if !first {
            out.push(b',');
        }
        let known = if is_known(&DETAILS, any) { &DETAILS } else { schema };
        if write_any(known, any, &mut out).is_err() {
            // A detail that cannot be shown must not hide the error that it belongs to.
            out.truncate(start);
        } else {
            first = false;
        }
    }
    out.extend_from_slice(b"]}");
    out
}

/// What the details say about the HTTP answer.
struct Details {
    /// The status of one of our own reasons.
    own: Option<u16>,
    retry_after_seconds: Option<u64>,
}

impl Details {
    fn of(status: &Status) -> Self {
        let mut details = Self { own: None, retry_after_seconds: None };
        for any in anys(status) {
            let (name, payload) = parts(any);
            match name {
                "google.rpc.ErrorInfo" => {
                    let (reason, domain) = two_strings(payload);
                    if domain == DOMAIN {
                        details.own = REASONS.get(reason).copied();
                    }
                }
                "google.rpc.RetryInfo" => {
                    if let Ok(Some((1, Value::Len(delay)))) = Fields::new(payload).next() {
                        details.retry_after_seconds = Some(whole_seconds(delay));
                    }
                }
                _ => {}
            }
        }
        details
    }

    fn http_status(&self, code: tonic::Code) -> StatusCode {
        self.own.and_then(|n| StatusCode::from_u16(n).ok()).unwrap_or_else(|| canonical(code))
    }
}

/// The mapping of `google/rpc/code.proto`.
fn canonical(code: tonic::Code) -> StatusCode {
    use tonic::Code as Grpc;
    let number = match code {
        Grpc::Ok => 200,
        Grpc::Cancelled => 499,
        Grpc::InvalidArgument | Grpc::FailedPrecondition | Grpc::OutOfRange => 400,
        Grpc::DeadlineExceeded => 504,
        Grpc::NotFound => 404,
        Grpc::AlreadyExists | Grpc::Aborted => 409,
        Grpc::PermissionDenied => 403,
        Grpc::Unauthenticated => 401,
        Grpc::ResourceExhausted => 429,
        Grpc::Unimplemented => 501,
        Grpc::Unavailable => 503,
        Grpc::Unknown | Grpc::Internal | Grpc::DataLoss => 500,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The wire forms of the details: field 3 of `google.rpc.Status`.
fn anys(status: &Status) -> Vec<&[u8]> {
    let mut fields = Fields::new(status.details());
    let mut anys = Vec::new();
    while let Ok(Some((number, value))) = fields.next() {
        if let (3, Value::Len(any)) = (number, value) {
            anys.push(any);
        }
    }
    anys
}

fn is_known(schema: &Schema, any: &[u8]) -> bool {
    schema.find(parts(any).0).is_some()
}

/// The full name of the message in an `Any`, and its bytes.
fn parts(any: &[u8]) -> (&str, &[u8]) {
    let (mut name, mut payload): (&str, &[u8]) = ("", &[]);
    let mut fields = Fields::new(any);
    while let Ok(Some((number, Value::Len(bytes)))) = fields.next() {
        match number {
            1 => name = std::str::from_utf8(bytes).unwrap_or(""),
            2 => payload = bytes,
            _ => {}
        }
    }
    (name.rsplit('/').next().unwrap_or(name), payload)
}

fn two_strings(payload: &[u8]) -> (&str, &str) {
    let (mut one, mut two) = ("", "");
    let mut fields = Fields::new(payload);
    while let Ok(Some((number, Value::Len(bytes)))) = fields.next() {
        let text = std::str::from_utf8(bytes).unwrap_or("");
        match number {
            1 => one = text,
            2 => two = text,
            _ => {}
        }
    }
    (one, two)
}

/// `Retry-After` counts whole seconds, so a part of one is a whole one.
fn whole_seconds(duration: &[u8]) -> u64 {
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Fields::new(duration);
    while let Ok(Some((number, Value::Varint(value)))) = fields.next() {
        match number {
            1 => seconds = value,
            2 => nanos = value,
            _ => {}
        }
    }
    seconds.saturating_add(u64::from(nanos > 0))
}
