//! A connection to a session that another instance owns: frames go there and back as they are.
//!
//! Everything is the owner's to decide: who the caller is, what he may send, when he is closed. Here is
//! only what the owner cannot see: a client that is gone, one that does not take what it is sent, and that
//! the owner itself is gone or hangs.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_ownership::CallContext;
use gamemesh_repository::Lane;
use gamemesh_rpc::tls::Connection;
use gamemesh_rpc::websocket::{Session, hear_out};
use http::{HeaderMap, StatusCode, header};
use prost::Message as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as OwnersMessage};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;

use super::codec::Codec;
use super::outlet::{Closing, STALLED_MAX, UNSENT_BYTES_MAX, too_slow};
use super::player::receive;
use super::writer::farewell;
use super::{READ_BUFFER_BYTES, close, limits, restart};
use crate::edge::Edge;
use crate::ids::SessionId;

/// The owner has answered the handshake within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Size of one frame of an owner.
const FRAME_BYTES_MAX: usize = 1 << 20;

type OwnersSocket = WebSocketStream<Connection>;
type OwnersSink = SplitSink<OwnersSocket, OwnersMessage>;
type OwnersSource = SplitStream<OwnersSocket>;

/// A connection and where it belongs.
pub(super) struct Relay<'a> {
    pub(super) edge: &'a Edge,
    pub(super) session: SessionId,
    pub(super) lane: Lane,
    /// `host:port` of the owner.
    pub(super) owner: String,
    pub(super) call: CallContext,
    pub(super) codec: Codec,
}

impl Relay<'_> {
    pub(super) async fn serve(self, session: Session) {
        let Session { socket, draining, .. } = session;
        let _open = self.edge.metrics.opened("relayed");
        let (mut sink, mut source) = socket.split();
        let mut token = String::new();
        let closing = tokio::select! {
            closing = self.connect() => match closing {
                Err(closing) => closing,
                Ok(owner) => {
                    match self.pass(owner, &mut sink, &mut source, &mut token, &draining).await {
                        None => return hear_out(source, true).await,
                        Some(closing) => closing,
                    }
                }
            },
            () = draining.cancelled() => restart(0),
        };
        self.edge.metrics.closed(closing.code);
        farewell(&mut sink, self.codec, &closing, token).await;
        hear_out(source, true).await;
    }

    async fn connect(&self) -> Result<OwnersSocket, Closing> {
        let url = format!("ws://{}/api/v1/combat/sessions/{}/ws", self.owner, self.session);
        let mut request = url.into_client_request().map_err(|_| gone())?;
        pass_headers(self.call.headers(), request.headers_mut());
        let protocol = self.codec.protocol();
        let protocol = http::HeaderValue::from_static(protocol);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(UNSENT_BYTES_MAX)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let connected = async {
            let stream = self.edge.connector.connect(&self.owner).await?;
            client_async_with_config(request, stream, Some(config)).await
        };
        match timeout(CONNECT_TIMEOUT, connected).await {
            Ok(Ok((owner, _))) => Ok(owner),
            Ok(Err(tungstenite::Error::Http(refusal))) => Err(refused(refusal.status())),
            Ok(Err(error)) => {
                tracing::debug!(owner = self.owner, %error, "the owner of a session is away");
                Err(gone())
            }
            Err(_) => Err(gone()),
        }
    }

    /// Passes frames both ways until one side ends. `None`: both have been told.
    async fn pass(
        &self,
        owner: OwnersSocket,
        sink: &mut SplitSink<WebSocket, Message>,
        source: &mut SplitStream<WebSocket>,
        token: &mut String,
        draining: &CancellationToken,
    ) -> Option<Closing> {
        let ownership = self.edge.forwarder.as_ref()?.ownership();
        let (mut to_owner, mut from_owner) = owner.split();
        tokio::select! {
            closing = up(source, &mut to_owner) => {
                // The owner learns that the client is gone, and so that its seat is free.
                let _ = timeout(STALLED_MAX, to_owner.close()).await;
                Some(closing)
            }
            closing = self.down(&mut from_owner, sink, token) => closing,
            () = ownership.changes_hands(self.lane) => Some(moved()),
            () = draining.cancelled() => Some(restart(self.session.spread())),
        }
    }

    /// From the owner to the client.
    async fn down(
        &self,
        from_owner: &mut OwnersSource,
        sink: &mut SplitSink<WebSocket, Message>,
        token: &mut String,
    ) -> Option<Closing> {
        while let Some(Ok(message)) = from_owner.next().await {
            let (message, is_last) = match message {
                OwnersMessage::Binary(bytes) => {
                    keep_token(token, || pb::ServerFrame::decode(bytes.clone()).ok());
                    (Message::Binary(bytes), false)
                }
                OwnersMessage::Text(text) => {
                    keep_token(token, || json_welcome(text.as_str()));
                    (Message::text(text.as_str()), false)
                }
                // The owner asks for a sign of life, and it is the client's that counts.
                OwnersMessage::Ping(payload) => (Message::Ping(payload), false),
                OwnersMessage::Close(frame) => {
                    let Some(frame) = frame else { return Some(gone()) };
                    let code = u16::from(frame.code);
                    self.edge.metrics.closed(code);
                    let reason = frame.reason.as_str().into();
                    (Message::Close(Some(CloseFrame { code, reason })), true)
                }
                OwnersMessage::Pong(_) | OwnersMessage::Frame(_) => continue,
            };
            match timeout(STALLED_MAX, sink.send(message)).await {
                Ok(Ok(())) if is_last => return None,
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(too_slow()),
            }
        }
        Some(gone())
    }
}

/// From the client to the owner, until the client is gone.
async fn up(source: &mut SplitStream<WebSocket>, to_owner: &mut OwnersSink) -> Closing {
    loop {
        let message = match receive(source, limits::FRAME_BYTES_MAX).await {
            Ok(Message::Binary(bytes)) => OwnersMessage::Binary(bytes),
            Ok(Message::Text(text)) => OwnersMessage::text(text.as_str()),
            Ok(_) => continue,
            Err(closing) => return closing,
        };
        if !matches!(timeout(STALLED_MAX, to_owner.send(message)).await, Ok(Ok(()))) {
            // What the owner has said before he went comes first.
            return std::future::pending().await;
        }
    }
}

/// What the caller sent and is not of his own handshake.
fn pass_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if !name.as_str().starts_with("sec-websocket-") && name != header::UPGRADE {
            to.append(name, value.clone());
        }
    }
}

/// The welcome has the token with which the client comes back.
fn keep_token(token: &mut String, read: impl FnOnce() -> Option<pb::ServerFrame>) {
    if token.is_empty()
        && let Some(welcome) = read().and_then(|frame| frame.welcome)
    {
        *token = welcome.resume_token;
    }
}

fn json_welcome(text: &str) -> Option<pb::ServerFrame> {
    let frame: serde_json::Value = serde_json::from_str(text).ok()?;
    let resume_token = frame.get("welcome")?.get("resumeToken")?.as_str()?.to_owned();
    let welcome = Some(pb::Welcome { resume_token, ..pb::Welcome::default() });
    Some(pb::ServerFrame { welcome, ..pb::ServerFrame::default() })
}

/// The owner refused the handshake.
fn refused(status: StatusCode) -> Closing {
    let code = match status {
        StatusCode::UNAUTHORIZED => close::UNAUTHENTICATED,
        StatusCode::FORBIDDEN => close::FORBIDDEN,
        StatusCode::TOO_MANY_REQUESTS => close::TRY_LATER,
        _ => close::RESTART,
    };
    let reason = format!("the session's owner answered {status}");
    Closing { code, reason, retry_after_ms: 1_000 }
}

fn gone() -> Closing {
    let reason = "the session's owner is gone; come back with the resume token".to_owned();
    Closing { code: close::RESTART, reason, retry_after_ms: 500 }
}

fn moved() -> Closing {
    let reason = "the session has moved; come back with the resume token".to_owned();
    Closing { code: close::RESTART, reason, retry_after_ms: 500 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_this_connections_own() {
        let mut from = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("x-gamemesh-forwarded", "1"),
            ("traceparent", "00-1-2-01"),
            ("sec-websocket-key", "theirs"),
            ("sec-websocket-protocol", "bearer.x, combat.v1.proto"),
            ("upgrade", "websocket"),
        ] {
            from.insert(name, value.parse().unwrap());
        }
        let mut to = HeaderMap::new();
        to.insert("sec-websocket-key", "ours".parse().unwrap());
        pass_headers(&from, &mut to);
        let mut names: Vec<&str> = to.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let expected =
            ["authorization", "sec-websocket-key", "traceparent", "x-gamemesh-forwarded"];
        assert_eq!(names, expected);
        assert_eq!(to["sec-websocket-key"], "ours");
    }

    #[test]
    fn the_token_is_read_in_both_protocols() {
        let mut token = String::new();
        keep_token(&mut token, || json_welcome(r#"{"eventSeq":"3"}"#));
        assert_eq!(token, "");
        keep_token(&mut token, || json_welcome(r#"{"welcome":{"resumeToken":"abc"}}"#));
        assert_eq!(token, "abc");
        // The first one counts, and nothing is read for it any more.
        keep_token(&mut token, || panic!("it is known"));
    }
}
