//! A stream of requests over plain HTTP: the body is NDJSON, one message a line, read as fast as the
//! service takes it. A body of `application/json` is a stream of one message.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream;
use gamemesh_rpc::edge::{Connection, Received};
use gamemesh_rpc::error::{Error, to_status};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::gateway::Shared;
use crate::request;
use crate::table::Row;
use crate::upstream::{self, Fault};

/// The framed messages of a body.
pub(crate) fn messages(
    shared: Arc<Shared>,
    row: Arc<Row>,
    target: Bytes,
    body: Body,
    connection: Option<Arc<Connection>>,
    lines: bool,
) -> (tonic::body::Body, Fault) {
    let fault = Fault::default();
    let source = Source {
        line: 0,
        shared,
        row,
        target,
        body,
        received: Received::new(connection),
        lines,
        buffer: BytesMut::new(),
        scanned: 0,
        ended: false,
    };
    let noted = Arc::clone(&fault);
    let frames = stream::unfold(Some(source), move |source| {
        let noted = Arc::clone(&noted);
        async move {
            let mut source = source?;
            match source.next().await {
                Ok(message) => message.map(|message| (Ok(Frame::data(message)), Some(source))),
                Err(error) => {
                    let status = to_status(&error);
                    // The first fault is the cause; there is no second.
                    let _ = noted.set(status.clone());
                    Some((Err(status), None))
                }
            }
        }
    });
    (tonic::body::Body::new(StreamBody::new(frames)), fault)
}

struct Source {
    shared: Arc<Shared>,
    row: Arc<Row>,
    /// What the path and the query set in every message.
    target: Bytes,
    body: Body,
    /// Of what is in the buffer.
    received: Received,
    lines: bool,
    /// The number of the line that was read last, from 1.
    line: u64,
    buffer: BytesMut,
    /// How much of the buffer was searched for the end of a line.
    scanned: usize,
    ended: bool,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(text) = self.text().await? {
            self.line += 1;
            if text.trim_ascii().is_empty() {
                continue;
            }
            let framed = self.shared.framed(&self.row, &text, &self.target);
            return framed.map(|message| Some(message.into())).map_err(|mut error| {
                if self.lines {
                    error.message = format!("line {}: {}", self.line, error.message);
                    error = error.with_fact("line", self.line);
                }
                error
            });
        }
        Ok(None)
    }

    /// The next line, or the whole body; `None` after the last.
    async fn text(&mut self) -> Result<Option<Bytes>, Error> {
        let bytes_max = self.shared.config.body_bytes_max;
        loop {
            let rest = &self.buffer[self.scanned..];
            let end = rest.iter().position(|b| self.lines && *b == b'\n');
            let known = end.map_or(self.buffer.len(), |end| self.scanned + end);
            if known > bytes_max {
                return Err(request::too_large(bytes_max));
            }
            if let Some(end) = end {
                let line = self.buffer.split_to(self.scanned + end + 1).freeze();
                self.scanned = 0;
                self.received.clear();
                self.received.add(self.buffer.len())?;
                return Ok(Some(line));
            }
            self.scanned = self.buffer.len();
            if self.ended {
                self.scanned = 0;
                let rest = self.buffer.split().freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            // Its client may be silent between two messages.
            let frame = match self.buffer.is_empty() {
                true => {
                    let mut patient = Received::default();
                    request::next_frame(&mut self.body, &mut patient).await?
                }
                false => request::next_frame(&mut self.body, &mut self.received).await?,
            };
            match frame {
                None => self.ended = true,
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        self.received.add(data.len())?;
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

impl Shared {
    /// One message of a request stream with its frame header. A method without a body rule takes whole
    /// messages too: nothing else could fill them.
    pub(crate) fn framed(&self, row: &Row, json: &[u8], target: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(upstream::FRAME_HEADER_BYTES + json.len() + target.len());
        out.resize(upstream::FRAME_HEADER_BYTES, 0);
        request::put_message(&self.schema, row, json, request::limits(&self.config), &mut out)?;
        out.extend_from_slice(target);
        upstream::finish_frame(&mut out)?;
        Ok(out)
    }
}
