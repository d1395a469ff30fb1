//! One request, one answer.

use axum::body::Body;
use bytes::Bytes;
use gamemesh_rpc::error::Error;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tonic::Status;

use crate::json::{write_field, write_message};
use crate::memo::{Memo, Resource};
use crate::schema::Schema;
use crate::table::Row;
use crate::upstream::Call;
use crate::{metadata, raw};

/// JSON of a message is about this many times as long as its wire form.
const JSON_GROWTH: usize = 3;

/// Waits for the one message and answers with it.
pub(crate) async fn answer(
    schema: &Schema,
    memo: &Memo,
    row: &Row,
    mut call: Call,
) -> Result<Response<Body>, Status> {
    let message = only_message(&mut call).await.map_err(|status| call.refusal(&status))?;
    let (content_type, body) = body(schema, memo, row, &message)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = metadata::http_code(&call.headers)
        .or_else(|| metadata::http_code(&call.trailers))
        .unwrap_or(StatusCode::OK);
    *response.headers_mut() = metadata::as_headers(call.headers);
    metadata::into_headers(&call.trailers, response.headers_mut());
    if !matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        set_body(&mut response, content_type, body);
    }
    Ok(response)
}

async fn only_message(call: &mut Call) -> Result<Bytes, Status> {
    let Some(message) = call.message().await? else {
        return Err(Status::internal("the service sent no message"));
    };
    match call.message().await? {
        None => Ok(message),
        Some(_) => Err(Status::internal("the service sent more than one message")),
    }
}

/// A `HEAD` has the headers that the `GET` would have, and no body.
pub(crate) fn without_body(response: Response<Body>) -> Response<Body> {
    use http_body::Body as _;
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && parts.status != StatusCode::NO_CONTENT
        && parts.status != StatusCode::NOT_MODIFIED
    {
        set_length(&mut parts.headers, length);
    }
    Response::from_parts(parts, Body::empty())
}

/// The JSON of a message, or of the field that `response_body` names.
pub(crate) fn to_json(
    schema: &Schema,
    row: &Row,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    out.reserve(message.len() * JSON_GROWTH);
    let written = match row.response_body {
        None => write_message(schema, row.rpc.output, message, out),
        Some(field) => write_field(schema, row.rpc.output, field, message, out),
    };
    written.map_err(|e| {
        let context =
            format!("{} answered with a message that has no JSON form: {e}", row.rpc.name);
        gamemesh_rpc::error::to_status(&Error::internal(context))
    })
}

fn body(
    schema: &Schema,
    memo: &Memo,
    row: &Row,
    message: &Bytes,
) -> Result<(HeaderValue, Bytes), Status> {
    if row.raw_answer {
        let (content_type, data) = raw::parts(schema, row, message)?;
        return Ok((raw::content_type_or_default(content_type), data));
    }
    let resource = Resource::of(schema, row, message);
    let known = resource.and_then(|resource| memo.get(&resource));
    let json = match known {
        Some(json) => json,
        None => {
            let mut json = Vec::new();
            to_json(schema, row, message, &mut json)?;
            let json = Bytes::from(json);
            if let Some(resource) = resource {
                memo.put(&resource, json.clone());
            }
            json
        }
    };
    Ok((HeaderValue::from_static("application/json"), json))
}

fn set_body(response: &mut Response<Body>, content_type: HeaderValue, body: Bytes) {
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    *response.body_mut() = Body::from(body);
}

fn set_length(headers: &mut HeaderMap, length: u64) {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}
