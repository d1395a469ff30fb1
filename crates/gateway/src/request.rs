//! From an HTTP request to the wire form of the request message.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use gamemesh_rpc::edge::Received;
use gamemesh_rpc::error::{Code, Error};
use http::{HeaderMap, header};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use crate::GatewayConfig;
use crate::json::{Limits, read_field, read_message};
use crate::metadata::media_type;
use crate::schema::Schema;
use crate::table::{BodyRule, FieldPath, Row};
use crate::template::Path;
use crate::{choice, query};

type Result<T> = std::result::Result<T, Error>;

/// What is read of a body after it has been refused for its length.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// How long a body is read on after it has been refused.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// What is read of the body of a call that was refused before its body was asked for, and for how long:
/// an answer before the end of a request ends its stream or its connection.
const READ_OUT_BYTES_MAX: usize = 64 << 10;
const READ_OUT_TIMEOUT: Duration = Duration::from_millis(50);

/// What the URI of a request says.
pub(crate) struct Target<'a> {
    pub(crate) row: &'a Row,
    pub(crate) path: Path<'a>,
    pub(crate) query: &'a str,
}

/// What the URI sets in every message.
pub(crate) struct Bound {
    wire: Vec<u8>,
    choices: Vec<FieldPath>,
}

impl Bound {
    pub(crate) fn of(schema: &Schema, target: &Target<'_>) -> Result<Self> {
        let mut wire = Vec::new();
        let choices = put_target(schema, target, &mut wire)?;
        Ok(Self { wire, choices })
    }

    /// Appends it to a message whose body begins at `start`. It comes last: in the wire form the last value of
    /// a field counts, and what the path sets, no body overrides.
    pub(crate) fn put(
        &self,
        schema: &Schema,
        row: &Row,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        choice::check(schema, row.rpc.input, &self.choices, &out[start..])?;
        out.extend_from_slice(&self.wire);
        Ok(())
    }
}

/// Appends what the URI sets. The members of oneofs among it are the answer.
fn put_target(schema: &Schema, target: &Target<'_>, out: &mut Vec<u8>) -> Result<Vec<FieldPath>> {
    let row = target.row;
    let mut choices = query::put_query(schema, row, target.query, out)?;
    choices.retain(|path| choice::is_choice(schema, row.rpc.input, path));
    for (index, (variable, bound)) in row.template.variables.iter().zip(&row.bound).enumerate() {
        let name = || row.json_path(schema, index);
        let value = target.path.variable(variable);
        let value = value
            .ok_or_else(|| Error::invalid(name(), "is not percent-encoded UTF-8 in the path"))?;
        query::put(schema, row.rpc.input, bound, &value, out)
            .map_err(|what| Error::invalid(name(), what))?;
    }
    Ok(choices)
}

/// Appends what the body sets. An empty body sets nothing.
fn put_body(
    schema: &Schema,
    row: &Row,
    body: &[u8],
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<()> {
    if body.is_empty() {
        return Ok(());
    }
    match row.body {
        BodyRule::None if is_empty_object(body) => Ok(()),
        BodyRule::None => Err(Error::new(Code::MalformedBody, "this method takes no body")),
        BodyRule::Whole => read_message(schema, row.rpc.input, body, limits, out),
        BodyRule::Field(field) => {
            let field = &schema.message(row.rpc.input).fields[field];
            read_field(schema, field, body, limits, out)
        }
    }
}

/// Appends one message of a request stream, where a method without a body rule takes whole messages.
pub(crate) fn put_message(
    schema: &Schema,
    row: &Row,
    json: &[u8],
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<()> {
    match row.body {
        BodyRule::None if row.rpc.client_streaming => {
            read_message(schema, row.rpc.input, json, limits, out)
        }
        _ => put_body(schema, row, json, limits, out),
    }
}

/// What the headers say of a body before it is read.
#[derive(Debug)]
pub(crate) struct Announced {
    length: Option<u64>,
    /// Its caller waits for leave to send it.
    waits: bool,
    content_type: Result<()>,
}

impl Announced {
    pub(crate) fn of(row: &Row, headers: &HeaderMap) -> Self {
        let content_type = match row.raw_request {
            true => check_encoding(headers),
            false => check_content_type(headers, false),
        };
        Self {
            length: announced_length(headers),
            waits: headers.contains_key(header::EXPECT),
            content_type,
        }
    }
}

/// Reads the body up to the limit. What is longer is refused, as soon as it says so.
pub(crate) async fn read_body(
    announced: Announced,
    body: Body,
    bytes_max: usize,
    received: &mut Received,
) -> Result<Bytes> {
    let mut body = body;
    if announced.length.is_some_and(|length| length > bytes_max as u64) {
        // A caller that waits for leave to send has sent nothing.
        if !announced.waits {
            discard(body).await;
        }
        return Err(too_large(bytes_max));
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = next_frame(&mut body, received).await? {
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > bytes_max {
            discard(body).await;
            return Err(too_large(bytes_max));
        }
        received.add(data.len())?;
        if first.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
    if length > 0 {
        announced.content_type?;
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The next part of a body, unless it comes too slowly.
pub(crate) async fn next_frame(
    body: &mut Body,
    received: &mut Received,
) -> Result<Option<Frame<Bytes>>> {
    poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(|error| {
            received.broke_off();
            Error::new(Code::MalformedBody, "the body broke off").with_context(error)
        })),
        Poll::Pending => received.poll_late(cx).map(Err),
    })
    .await
}

/// Reads what is left of the body of a call that is refused, if its end is near.
pub(crate) async fn read_out(mut body: Body) {
    let reading = async {
        let mut left = READ_OUT_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(READ_OUT_TIMEOUT, reading).await;
}

/// Reads on over a body that is refused: a connection that is closed while its caller still writes is
/// reset, and the refusal with it is lost on the way.
async fn discard(mut body: Body) {
    let discarding = async {
        let mut left = DISCARDED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // Who is slower than this does without.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, discarding).await;
}

pub(crate) fn too_large(bytes_max: usize) -> Error {
    Error::new(Code::PayloadTooLarge, format!("the body is larger than {bytes_max} bytes"))
}

pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Nothing that would have to be unpacked.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<()> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let what = format!("Content-Encoding {encoding:?} is not accepted: identity");
            Err(Error::new(Code::UnsupportedMediaType, what))
        }
        _ => Ok(()),
    }
}

/// JSON in UTF-8, or no type at all; `lines` admits NDJSON too.
pub(crate) fn check_content_type(headers: &HeaderMap, lines: bool) -> Result<()> {
    let refuse = |what: String| Err(Error::new(Code::UnsupportedMediaType, what));
    check_encoding(headers)?;
    let Some((media, charset)) = media_type(headers) else { return Ok(()) };
    let json = media == "application/json"
        || (media.starts_with("application/") && media.ends_with("+json"));
    let ndjson = matches!(
        media.as_str(),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl"
    );
    let accepted = json || (lines && ndjson);
    if !accepted {
        let types =
            if lines { "application/json, application/x-ndjson" } else { "application/json" };
        return refuse(format!("Content-Type {media:?} is not accepted: {types}"));
    }
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => refuse(format!("charset {other:?} is not accepted: utf-8")),
    }
}

pub(crate) fn limits(config: &GatewayConfig) -> Limits {
    Limits { depth_max: config.json_depth_max }
}

/// Many clients send `{}` where there is nothing to send.
fn is_empty_object(body: &[u8]) -> bool {
    let solid: Vec<u8> =
        body.iter().copied().filter(|b| !b.is_ascii_whitespace()).take(3).collect();
    matches!(solid.as_slice(), [] | b"{}")
}
