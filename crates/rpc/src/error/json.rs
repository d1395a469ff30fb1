//! An error as `google.rpc.Status` JSON, for the few endpoints that are not transcoded.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use gamemesh_domain::{Detail, Error};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{DOMAIN, row};
use crate::refusals::log_context;

/// The error as an HTTP response.
pub fn to_http(error: &Error) -> Response {
    if let Some(context) = &error.context {
        log_context(error.code, &error.message, context);
    }
    let status = StatusCode::from_u16(row(error.code).http).expect("the table has HTTP codes only");
    let mut response = (status, Json(to_json(error))).into_response();
    let retry = error.details.iter().find_map(|detail| match detail {
        Detail::RetryAfter(delay) => Some(delay),
        Detail::Field { .. } | Detail::Fact { .. } => None,
    });
    if let Some(delay) = retry {
        // HTTP counts whole seconds; rounding down would bring the caller back too early.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The body of the response.
pub fn to_json(error: &Error) -> Value {
    let mut facts = Map::new();
    let mut violations = Vec::new();
    let mut details = Vec::new();
    for detail in &error.details {
        match detail {
            Detail::Field { field, description } => {
                violations.push(json!({ "field": field, "description": description }));
            }
            Detail::Fact { key, value } => {
                facts.insert((*key).to_owned(), value.clone().into());
            }
            Detail::RetryAfter(delay) => details.push(json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos()),
            })),
        }
    }
    if !violations.is_empty() {
        details.insert(
            0,
            json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": violations,
            }),
        );
    }
    details.insert(
        0,
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code.reason(),
            "domain": DOMAIN,
            "metadata": facts,
        }),
    );
    json!({ "code": row(error.code).grpc as i32, "message": error.message, "details": details })
}
