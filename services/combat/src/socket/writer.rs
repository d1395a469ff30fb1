//! The sending half of a connection.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures::SinkExt as _;
use futures::stream::SplitSink;
use gamemesh_contracts::combat::v1 as pb;
use prost::Message as _;
use tokio::time::timeout;

use super::PING_INTERVAL;
use super::codec::Codec;
use super::outlet::{Closing, Outgoing, Outlet, STALLED_MAX};

/// A close frame holds this many bytes of text.
const REASON_BYTES_MAX: usize = 123;

pub(super) struct Writer {
    sink: SplitSink<WebSocket, Message>,
    outlet: Arc<Outlet>,
    codec: Codec,
    /// With it the client comes back; from its welcome.
    resume_token: String,
}

impl Writer {
    pub(super) fn new(
        sink: SplitSink<WebSocket, Message>,
        outlet: Arc<Outlet>,
        codec: Codec,
    ) -> Self {
        Self { sink, outlet, codec, resume_token: String::new() }
    }

    /// Sends what the outlet has, until it is closed or the client does not take it. A message is sent
    /// to its end before anything else is looked at: half of one is never given up for another.
    pub(super) async fn run(mut self) {
        loop {
            let message = match timeout(PING_INTERVAL, self.outlet.next()).await {
                Err(_) => Message::Ping(Bytes::new()),
                Ok(Some(Outgoing::Frame(frame))) => {
                    self.keep_token(&frame);
                    match self.codec.write(frame) {
                        Ok(message) => message,
                        Err(error) => {
                            tracing::error!(%error, "a frame cannot be written");
                            return;
                        }
                    }
                }
                Ok(Some(Outgoing::Close(closing))) => return self.close(closing).await,
                Ok(None) => return,
            };
            if !matches!(timeout(STALLED_MAX, self.sink.send(message)).await, Ok(Ok(()))) {
                // It is in the middle of a frame, or the connection is broken: nothing can follow.
                return;
            }
        }
    }

    /// Says why, and closes. What the client cannot take in time it does not get.
    async fn close(mut self, closing: Closing) {
        let token = std::mem::take(&mut self.resume_token);
        let farewell = async {
            for message in last_words(self.codec, closing, token) {
                self.sink.send(message).await?;
            }
            self.sink.close().await
        };
        let _ = timeout(STALLED_MAX, farewell).await;
    }

    /// The welcome is the first frame of a connection, and the only one that has a token.
    fn keep_token(&mut self, frame: &Bytes) {
        if self.resume_token.is_empty()
            && let Ok(frame) = pb::ServerFrame::decode(frame.clone())
            && let Some(welcome) = frame.welcome
        {
            self.resume_token = welcome.resume_token;
        }
    }
}

/// What a connection is sent at its end: why, with which token to come back and when, and the close frame.
pub(super) fn last_words(codec: Codec, closing: Closing, resume_token: String) -> Vec<Message> {
    let Closing { code, reason, retry_after_ms } = closing;
    let fault = pb::Fault {
        reason: reason.split(':').next().unwrap_or_default().to_owned(),
        message: reason.clone(),
        close_code: code.into(),
        resume_token,
        retry_after_ms,
        ..pb::Fault::default()
    };
    let frame = pb::ServerFrame { fault: Some(fault), ..pb::ServerFrame::default() };
    let fault = codec.write(frame.encode_to_vec().into()).ok();
    let reason = shortened(&reason).into();
    fault.into_iter().chain([Message::Close(Some(CloseFrame { code, reason }))]).collect()
}

fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}
