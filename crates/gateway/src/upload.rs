//! A stream of requests over plain HTTP: the body is NDJSON, one message a line, read as fast as the
//! service takes it. A body of `application/json` is a stream of one message.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream;
use gamemesh_rpc::edge::{Connection, Received};
use gamemesh_rpc::error::{Error, to_status};
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::gateway::Shared;
use crate::request::{self, Bound};
use crate::table::Row;
use crate::upstream::{self, Fault};
use crate::{metadata, raw};

/// What a body is made of.
pub(crate) enum Form {
    /// One message.
    Whole,
    /// One message a line.
    Lines,
    /// Pieces of a body of this type, which go through as they come.
    Raw(Option<HeaderValue>),
}

impl Form {
    pub(crate) fn of(row: &Row, headers: &HeaderMap) -> Result<Self, Error> {
        if row.raw_request {
            request::check_encoding(headers)?;
            return Ok(Self::Raw(headers.get(header::CONTENT_TYPE).cloned()));
        }
        request::check_content_type(headers, true)?;
        let lines = metadata::media_type(headers)
            .is_some_and(|(media, _)| !media.ends_with("json") || media.ends_with("ndjson"));
        Ok(if lines { Self::Lines } else { Self::Whole })
    }
}

/// The framed messages of a body.
pub(crate) fn messages(
    shared: Arc<Shared>,
    row: Arc<Row>,
    bound: Bound,
    body: Body,
    connection: Option<Arc<Connection>>,
    form: Form,
) -> (tonic::body::Body, Fault) {
    let fault = Fault::default();
    let source = Source {
        line: 0,
        shared,
        row,
        bound,
        body,
        received: Received::new(connection),
        form,
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
    bound: Bound,
    body: Body,
    /// Of what is in the buffer.
    received: Received,
    form: Form,
    /// The number of the line or piece that was read last, from 1.
    line: u64,
    buffer: BytesMut,
    /// How much of the buffer was searched for the end of a line.
    scanned: usize,
    ended: bool,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Form::Raw(content_type) = &self.form {
            let content_type = content_type.clone();
            return self.piece(content_type.as_ref()).await;
        }
        let is_lines = matches!(self.form, Form::Lines);
        while let Some(text) = self.text().await? {
            self.line += 1;
            if text.trim_ascii().is_empty() {
                continue;
            }
            let framed = self.shared.framed(&self.row, &text, &self.bound);
            return framed.map(|message| Some(message.into())).map_err(|mut error| {
                if is_lines {
                    error.message = format!("line {}: {}", self.line, error.message);
                    error = error.with_fact("line", self.line);
                }
                error
            });
        }
        Ok(None)
    }

    /// The next piece of a body that goes through as it is. An empty body is one that is empty: what the
    /// path sets comes with it.
    async fn piece(&mut self, content_type: Option<&HeaderValue>) -> Result<Option<Bytes>, Error> {
        let bytes_max = self.shared.config.body_bytes_max;
        while self.buffer.is_empty() && !self.ended {
            self.read().await?;
        }
        if self.buffer.is_empty() && self.line > 0 {
            return Ok(None);
        }
        self.line += 1;
        let data = self.buffer.split_to(self.buffer.len().min(bytes_max));
        self.received.clear();
        self.received.add(self.buffer.len())?;
        let message = self.shared.framed_raw(&self.row, content_type, &data, &self.bound)?;
        Ok(Some(message.into()))
    }

    /// Reads what comes next of the body into the buffer. Its client may be silent between two messages.
    async fn read(&mut self) -> Result<(), Error> {
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
        Ok(())
    }

    /// The next line, or the whole body; `None` after the last.
    async fn text(&mut self) -> Result<Option<Bytes>, Error> {
        let bytes_max = self.shared.config.body_bytes_max;
        let is_lines = matches!(self.form, Form::Lines);
        loop {
            let rest = &self.buffer[self.scanned..];
            let end = rest.iter().position(|b| is_lines && *b == b'\n');
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
            self.read().await?;
        }
    }
}

impl Shared {
    /// One message of a request stream with its frame header. A method without a body rule takes whole
    /// messages too: nothing else could fill them.
    pub(crate) fn framed(&self, row: &Row, json: &[u8], bound: &Bound) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(upstream::FRAME_HEADER_BYTES + json.len());
        out.resize(upstream::FRAME_HEADER_BYTES, 0);
        request::put_message(&self.schema, row, json, request::limits(&self.config), &mut out)?;
        bound.put(&self.schema, row, upstream::FRAME_HEADER_BYTES, &mut out)?;
        upstream::finish_frame(&mut out)?;
        Ok(out)
    }

    /// A body that goes through as it is, or a piece of one, with its frame header.
    pub(crate) fn framed_raw(
        &self,
        row: &Row,
        content_type: Option<&HeaderValue>,
        data: &[u8],
        bound: &Bound,
    ) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; upstream::FRAME_HEADER_BYTES];
        raw::put(&self.schema, row, content_type, data, &mut out)?;
        bound.put(&self.schema, row, upstream::FRAME_HEADER_BYTES, &mut out)?;
        upstream::finish_frame(&mut out)?;
        Ok(out)
    }
}
