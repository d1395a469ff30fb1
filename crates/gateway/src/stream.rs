//! A stream of answers over plain HTTP: server-sent events or one JSON text a line.
//!
//! Nothing is read from the service before the client has room for it, and a client that goes away
//! drops the call. What has come already is sent in one piece.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Response, header};
use tonic::Status;

use crate::gateway::Shared;
use crate::schema::Kind;
use crate::table::Row;
use crate::upstream::Call;
use crate::wire::{Fields, Value};
use crate::{metadata, status, unary};

/// Messages that have come already are sent together up to this size.
const CHUNK_BYTES: usize = 32 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Events,
    Lines,
}

impl Form {
    /// Events for a client that asks for them, lines for every other.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let events = headers.get_all(header::ACCEPT).iter().any(|accept| {
            let text = accept.to_str().unwrap_or("");
            text.split(',')
                .any(|part| part.split(';').next().unwrap_or("").trim() == "text/event-stream")
        });
        if events { Self::Events } else { Self::Lines }
    }
}

/// Answers with every message of the call.
pub(crate) fn answer(shared: Arc<Shared>, row: Arc<Row>, call: Call, form: Form) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    metadata::into_headers(&call.headers, headers);
    let content_type = match form {
        Form::Events => "text/event-stream",
        Form::Lines => "application/x-ndjson",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Reverse proxies that buffer would hold single events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let chunks = Chunks { shared, row, call, form, ended: false };
    *response.body_mut() = Body::from_stream(stream::unfold(chunks, |mut chunks| async {
        let chunk = chunks.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), chunks))
    }));
    response
}

struct Chunks {
    shared: Arc<Shared>,
    row: Arc<Row>,
    call: Call,
    form: Form,
    ended: bool,
}

impl Chunks {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut out = Vec::new();
        let message = loop {
            match tokio::time::timeout(self.shared.config.heartbeat, self.call.message()).await {
                Ok(message) => break message,
                Err(_) if self.form == Form::Events => return Some(Bytes::from_static(b":\n\n")),
                Err(_) => {}
            }
        };
        if let Err(status) = self.write(message, &mut out) {
            self.fail(&status, &mut out);
        }
        (!out.is_empty()).then(|| out.into())
    }

    /// Writes a message and those after it that have come already.
    fn write(
        &mut self,
        message: Result<Option<Bytes>, Status>,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        let Some(message) = message? else {
            self.ended = true;
            if self.form == Form::Events {
                out.extend_from_slice(b"event: end\ndata: {}\n\n");
            }
            return Ok(());
        };
        self.message(&message, out)?;
        while out.len() < CHUNK_BYTES {
            match self.call.buffered()? {
                Some(message) => self.message(&message, out)?,
                None => break,
            }
        }
        Ok(())
    }

    fn message(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        let start = out.len();
        if self.form == Form::Events {
            if let Some(id) = self.resume_token(message) {
                out.extend_from_slice(b"id: ");
                out.extend_from_slice(id.as_bytes());
                out.push(b'\n');
            }
            out.extend_from_slice(b"data: ");
        }
        if let Err(status) = unary::to_json(&self.shared.schema, &self.row, message, out) {
            out.truncate(start);
            return Err(status);
        }
        out.extend_from_slice(match self.form {
            Form::Events => b"\n\n",
            Form::Lines => b"\n",
        });
        Ok(())
    }

    fn fail(&mut self, status: &Status, out: &mut Vec<u8>) {
        self.ended = true;
        let json = status::json(&self.shared.schema, status);
        match self.form {
            Form::Events => {
                out.extend_from_slice(b"event: error\ndata: ");
                out.extend_from_slice(&json);
                out.extend_from_slice(b"\n\n");
            }
            Form::Lines => {
                out.extend_from_slice(b"{\"error\":");
                out.extend_from_slice(&json);
                out.extend_from_slice(b"}\n");
            }
        }
    }

    /// The token that a client sends back as `Last-Event-ID` to go on after this message.
    fn resume_token(&self, message: &[u8]) -> Option<String> {
        let (number, kind) = self.row.rpc.resume_token?;
        let mut token = None;
        let mut fields = Fields::new(message);
        while let Ok(Some((n, value))) = fields.next() {
            if let (true, Value::Len(bytes)) = (n == number, value) {
                token = Some(bytes);
            }
        }
        let token = token.filter(|token| !token.is_empty())?;
        match kind {
            Kind::Bytes => Some(BASE64_URL_SAFE_NO_PAD.encode(token)),
            _ => {
                let text = std::str::from_utf8(token).ok()?;
                // A line break would end the field, and a NUL makes a client ignore the id.
                (!text.contains(['\n', '\r', '\0'])).then(|| text.to_owned())
            }
        }
    }
}
