//! The sending half of a connection.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::SinkExt as _;
use futures::stream::SplitSink;
use gamemesh_contracts::combat::v1 as pb;
use prost::Message as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::codec::Codec;
use super::outlet::{Closing, Outgoing, Outlet, STALLED_MAX, too_slow};
use super::{PING_INTERVAL, close};

/// For so long a client is waited for that is to hear why its connection ends.
const FAREWELL_MAX: Duration = Duration::from_secs(10);

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
    /// to its end before anything else is looked at: half of one is never given up for another. With which
    /// code it was closed; `None`: the connection has broken.
    pub(super) async fn run(mut self) -> Option<u16> {
        let mut ping_at = Instant::now() + PING_INTERVAL;
        loop {
            let message = match timeout_at(ping_at, self.outlet.next()).await {
                // However much is sent to it: a client that only listens answers nothing else.
                Err(_) => {
                    ping_at = Instant::now() + PING_INTERVAL;
                    Message::Ping(Bytes::new())
                }
                Ok(Some(Outgoing::Frame(frame))) => {
                    self.keep_token(&frame);
                    match self.codec.write(frame) {
                        Ok(message) => message,
                        Err(error) => {
                            tracing::error!(%error, "a frame cannot be written");
                            return None;
                        }
                    }
                }
                Ok(Some(Outgoing::Close(closing))) => return Some(self.close(closing).await),
                Ok(None) => return None,
            };
            match timeout(STALLED_MAX, self.sink.send(message)).await {
                Ok(Ok(())) => {}
                // The connection is broken: nothing can follow.
                Ok(Err(_)) => return None,
                // The last words go behind the rest of the frame, if the client reads on.
                Err(_) => return Some(self.close(too_slow()).await),
            }
        }
    }

    /// Says why, and closes.
    async fn close(mut self, closing: Closing) -> u16 {
        // Nothing is put in any more.
        self.outlet.close(closing.clone());
        let token = std::mem::take(&mut self.resume_token);
        farewell(&mut self.sink, self.codec, &closing, token).await;
        closing.code
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
pub(super) async fn farewell(
    sink: &mut SplitSink<WebSocket, Message>,
    codec: Codec,
    closing: &Closing,
    resume_token: String,
) {
    if closing.code != close::BY_CLIENT {
        let fault = pb::Fault {
            reason: closing.reason.split(':').next().unwrap_or_default().to_owned(),
            message: closing.reason.clone(),
            close_code: closing.code.into(),
            resume_token,
            retry_after_ms: closing.retry_after_ms,
            ..pb::Fault::default()
        };
        let frame = pb::ServerFrame { fault: Some(fault), ..pb::ServerFrame::default() };
        if let Ok(message) = codec.write(frame.encode_to_vec().into()) {
            let _ = timeout(FAREWELL_MAX, sink.send(message)).await;
        }
    }
    close::close(sink, closing).await;
}
