//! `google.api.HttpBody`: bodies that go through as they are, with a content type of their own.
//!
//! As a request, or as the field that the body of a rule sets, it takes whatever the caller sends; as an
//! answer, or as the field that `response_body` names, it is what the caller gets. In streams each piece is
//! a message of its own.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use gamemesh_rpc::error::Error;
use http::{HeaderMap, HeaderValue, Response, header};
use tonic::Status;

use crate::gateway::Shared;
use crate::metadata;
use crate::schema::{Cardinality, Field, Kind, MessageId, Schema, Shape};
use crate::table::{BodyRule, Row};
use crate::upstream::Call;
use crate::wire::{self, Fields, Value};

const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

pub(crate) fn is_raw(schema: &Schema, message: MessageId) -> bool {
    schema.message(message).shape == Shape::HttpBody
}

/// Whether a field holds one such body.
pub(crate) fn is_raw_field(schema: &Schema, field: &Field) -> bool {
    matches!(field.cardinality, Cardinality::Singular { .. })
        && matches!(field.kind, Kind::Message(id) if is_raw(schema, id))
}

/// Appends a body, or a piece of one.
pub(crate) fn put(
    schema: &Schema,
    row: &Row,
    content_type: Option<&HeaderValue>,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = match row.body {
        BodyRule::Field(field) => {
            let field = &schema.message(row.rpc.input).fields[field];
            wire::put_tag(out, field.number, wire::LEN);
            Some(wire::open(out))
        }
        _ => None,
    };
    if let Some(value) = content_type {
        let text = value.to_str();
        let text = text.map_err(|_| Error::invalid("Content-Type", "is not ASCII"))?;
        wire::put_tag(out, CONTENT_TYPE, wire::LEN);
        wire::put_bytes(out, text.as_bytes());
    }
    if !data.is_empty() {
        wire::put_tag(out, DATA, wire::LEN);
        wire::put_bytes(out, data);
    }
    if let Some(start) = start {
        wire::close(out, start);
    }
    Ok(())
}

/// The content type, if the service gives one, and the bytes of an answer.
pub(crate) fn parts(
    schema: &Schema,
    row: &Row,
    message: &Bytes,
) -> Result<(Option<HeaderValue>, Bytes), Status> {
    let malformed = || Status::internal("the service answered with a malformed HttpBody");
    let mut whole = (None, Bytes::new());
    let Some(field) = row.response_body else {
        read(message, message, &mut whole).ok_or_else(malformed)?;
        return Ok(whole);
    };
    let number = schema.message(row.rpc.output).fields[field].number;
    let mut fields = Fields::new(message);
    while let Some((found, value)) = fields.next().map_err(|_| malformed())? {
        if let (true, Value::Len(body)) = (found == number, value) {
            read(message, body, &mut whole).ok_or_else(malformed)?;
        }
    }
    Ok(whole)
}

fn read(
    owner: &Bytes,
    body: &[u8],
    (content_type, data): &mut (Option<HeaderValue>, Bytes),
) -> Option<()> {
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next().ok()? {
        match field {
            (CONTENT_TYPE, Value::Len(text)) if !text.is_empty() => {
                *content_type = Some(HeaderValue::from_bytes(text).ok()?);
            }
            (DATA, Value::Len(bytes)) => *data = owner.slice_ref(bytes),
            _ => {}
        }
    }
    Some(())
}

pub(crate) fn content_type_or_default(given: Option<HeaderValue>) -> HeaderValue {
    given.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Answers with the pieces of a stream, one after the other. The first says what they are. A refusal
/// before it is an answer of its own; after it the answer breaks off, so that nobody takes a part for
/// the whole.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    row: Arc<Row>,
    mut call: Call,
) -> Result<Response<Body>, Status> {
    let (content_type, first) = match call.message().await {
        Ok(Some(message)) => parts(&shared.schema, &row, &message)?,
        Ok(None) => (None, Bytes::new()),
        Err(status) => return Err(call.refusal(&status)),
    };
    let mut headers = HeaderMap::new();
    metadata::into_headers(&call.headers, &mut headers);
    headers.insert(header::CONTENT_TYPE, content_type_or_default(content_type));
    let rest = stream::unfold(Some(call), move |call| {
        let (shared, row) = (Arc::clone(&shared), Arc::clone(&row));
        async move {
            let mut call = call?;
            let piece = match call.message().await {
                Ok(None) => return None,
                Ok(Some(message)) => parts(&shared.schema, &row, &message).map(|(_, data)| data),
                Err(status) => Err(status),
            };
            let next = piece.is_ok().then_some(call);
            Some((piece, next))
        }
    });
    let pieces = stream::iter([Ok(first)]).chain(rest);
    let mut response = Response::new(Body::from_stream(pieces));
    *response.headers_mut() = headers;
    Ok(response)
}
