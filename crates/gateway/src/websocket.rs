//! Any RPC over a WebSocket.
//!
//! A text frame is one message in JSON, a binary frame one message in protobuf; answers come in the form
//! of the client's first frame, or of the subprotocol it chose (`json`, `proto`). A method that takes one
//! message with a body waits for the first frame, others start at once. An empty text frame ends the
//! requests of a client stream. The connection closes with 1000, or with 4000 plus the gRPC code. Pings
//! go out however much else does: a client that answers them lives, one that does not is cut.

mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_rpc::edge::Connection;
use gamemesh_rpc::error::{Code, Error, to_status};
use gamemesh_rpc::websocket::{Protocols, handshake, receive};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::gateway::Shared;
use crate::request::{Bound, Target};
use crate::table::{BodyRule, Row};
use crate::upstream::{self, Outgoing};
use crate::{metadata, unary};

use socket::{Ending, close};

/// A peer that does not even answer pings for this many heartbeats is gone.
const SILENT_HEARTBEATS_MAX: u32 = 3;

/// Accepts the connection. What the URI says wrong is refused over HTTP, before the upgrade.
pub(crate) async fn accept(
    shared: &Arc<Shared>,
    row: &Arc<Row>,
    target: &Target<'_>,
    mut parts: Parts,
) -> Result<Response<axum::body::Body>, Error> {
    let bound = Bound::of(&shared.schema, target)?;
    let (mut metadata, timeout) = metadata::from_headers(&parts.headers)?;
    let protocols = Protocols::offered(&parts.headers);
    let mut upgrade = match handshake(&mut parts).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(refusal),
    };
    let binary = choose_protocol(&mut upgrade, &protocols, &mut metadata);
    let session = Session {
        shared: Arc::clone(shared),
        row: Arc::clone(row),
        bound,
        metadata,
        connection: parts.extensions.get().cloned(),
        timeout,
        binary: AtomicBool::new(binary),
    };
    // The transport's own limit only guards memory: below it a frame that is too large gets its reason.
    let frame_bytes_max = shared.config.websocket_frame_bytes_max * 2;
    Ok(upgrade
        .max_write_buffer_size(shared.config.websocket_unsent_bytes_max())
        .max_frame_size(frame_bytes_max)
        .max_message_size(frame_bytes_max)
        .on_upgrade(|socket| session.serve(socket)))
}

/// Answers with `json` or `proto` if the client offers one, and takes its bearer token. Whether the
/// client wants protobuf.
fn choose_protocol(
    upgrade: &mut WebSocketUpgrade,
    protocols: &Protocols,
    metadata: &mut HeaderMap,
) -> bool {
    protocols.authorize(metadata);
    let chosen = protocols.choose(&["json", "proto"]);
    if let Some(chosen) = chosen {
        upgrade.set_selected_protocol(HeaderValue::from_static(chosen));
    }
    chosen == Some("proto")
}

struct Session {
    shared: Arc<Shared>,
    row: Arc<Row>,
    /// What the path and the query set in every message.
    bound: Bound,
    metadata: HeaderMap,
    connection: Option<Arc<Connection>>,
    timeout: Option<std::time::Duration>,
    /// Answers go out as protobuf.
    binary: AtomicBool,
}

type Sink = SplitSink<WebSocket, Message>;
type Source = SplitStream<WebSocket>;

/// The sending half: answers go through it, and what the client is owed for its pings.
type SharedSink = Mutex<Sink>;

/// What the client may still say.
enum Messages {
    Many(mpsc::Sender<Bytes>),
    One(mpsc::Sender<Bytes>),
    Over,
}

impl Session {
    async fn serve(self, socket: WebSocket) {
        let (sink, mut source) = socket.split();
        let sink = SharedSink::new(sink);
        let ending = match self.run(&sink, &mut source).await {
            Ok(()) => Ending::Done,
            Err(ending) => ending,
        };
        let sink = sink.into_inner();
        let binary = self.binary.load(Ordering::Relaxed);
        close(&self.shared.schema, sink, source, ending, binary).await;
    }

    /// The call begins at once, whoever has no leave for it learns so before a message of his is read.
    async fn run(&self, sink: &SharedSink, source: &mut Source) -> Result<(), Ending> {
        let (messages, body) = match (self.row.rpc.client_streaming, self.row.body) {
            (true, _) => self.messages(Messages::Many, self.shared.config.stream_messages_max),
            (false, BodyRule::None) => {
                let message = self.shared.framed(&self.row, b"", &self.bound);
                let message = Bytes::from(message.map_err(Ending::refused)?);
                (Messages::Over, tonic::body::Body::new(Full::new(message)))
            }
            (false, _) => self.messages(Messages::One, 1),
        };
        let output = self.output(body, sink);
        let input = self.input(sink, source, messages);
        tokio::select! {
            // A call that is refused says why, whatever its client has sent meanwhile.
            biased;
            ended = output => ended,
            ended = input => ended,
            ended = self.ping(sink) => ended,
        }
    }

    /// Asks for a sign of life again and again. A client that only listens answers nothing else.
    async fn ping(&self, sink: &SharedSink) -> Result<(), Ending> {
        loop {
            sleep(self.shared.config.heartbeat).await;
            self.send(sink, Message::Ping(Bytes::new())).await?;
        }
    }

    /// Messages that wait for the service, and the body that hands them to it.
    fn messages(
        &self,
        kind: fn(mpsc::Sender<Bytes>) -> Messages,
        count_max: usize,
    ) -> (Messages, tonic::body::Body) {
        let (sender, receiver) = mpsc::channel(count_max);
        let frames =
            ReceiverStream::new(receiver).map(|message| Ok::<_, Status>(Frame::data(message)));
        (kind(sender), tonic::body::Body::new(StreamBody::new(frames)))
    }

    /// Hands the client's messages to the service until the client goes away.
    async fn input(
        &self,
        sink: &SharedSink,
        source: &mut Source,
        mut messages: Messages,
    ) -> Result<(), Ending> {
        let first_by = Instant::now() + self.shared.config.first_frame_timeout;
        loop {
            let is_first = matches!(messages, Messages::One(_));
            let frame = if is_first {
                let first = timeout_at(first_by, self.receive(sink, source)).await;
                first.map_err(|_| Ending::NothingSaid(self.shared.config.first_frame_timeout))??
            } else {
                self.receive(sink, source).await?
            };
            if !is_first && matches!(&frame, Message::Text(text) if text.is_empty()) {
                messages = Messages::Over;
                continue;
            }
            let Some(message) = self.message(frame)? else { continue };
            // The service may end its side first; its answer says so.
            let is_over = match &messages {
                Messages::Many(open) => open.send(message).await.is_err(),
                Messages::One(open) => {
                    let _ = open.send(message).await;
                    true
                }
                Messages::Over => {
                    let what =
                        "the requests of this call have ended: another message is not accepted";
                    return Err(Ending::refused(Error::new(Code::InvalidArgument, what)));
                }
            };
            if is_over {
                messages = Messages::Over;
            }
        }
    }

    async fn receive(&self, sink: &SharedSink, source: &mut Source) -> Result<Message, Ending> {
        let silence_max = self.shared.config.heartbeat * SILENT_HEARTBEATS_MAX;
        let limit = self.shared.config.websocket_frame_bytes_max;
        let frame = receive(source, silence_max).await;
        let frame = frame.map_err(|ended| Ending::unreadable(ended, limit))?;
        if matches!(frame, Message::Ping(_)) {
            // Nothing more is read before its pong has gone: a client that asks and does not listen is
            // owed one answer, however often it asks.
            let gone = async { sink.lock().await.flush().await };
            match timeout(silence_max, gone).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Ending::Gone),
            }
        }
        Ok(frame)
    }

    /// The framed message of a text or binary frame; other frames are none.
    fn message(&self, frame: Message) -> Result<Option<Bytes>, Ending> {
        let limit = self.shared.config.websocket_frame_bytes_max;
        let check =
            |length: usize| if length > limit { Err(Ending::TooLarge(limit)) } else { Ok(()) };
        match frame {
            Message::Text(text) => {
                check(text.len())?;
                let message = self.shared.framed(&self.row, text.as_bytes(), &self.bound);
                message.map(|message| Some(message.into())).map_err(Ending::refused)
            }
            Message::Binary(bytes) => {
                check(bytes.len())?;
                self.binary.store(true, Ordering::Relaxed);
                let mut message = vec![0; upstream::FRAME_HEADER_BYTES];
                message.extend_from_slice(&bytes);
                let start = upstream::FRAME_HEADER_BYTES;
                self.bound
                    .put(&self.shared.schema, &self.row, start, &mut message)
                    .map_err(Ending::refused)?;
                upstream::finish_frame(&mut message).map_err(Ending::refused)?;
                Ok(Some(message.into()))
            }
            _ => Ok(None),
        }
    }

    /// Calls the service and sends the client what it answers.
    async fn output(&self, body: tonic::body::Body, sink: &SharedSink) -> Result<(), Ending> {
        let max = self.shared.config.response_bytes_max;
        let metadata = self.metadata.clone();
        let connection = self.connection.clone();
        let outgoing = Outgoing { metadata, connection, body, timeout: self.timeout, fault: None };
        let mut call = upstream::call(&self.shared.upstream, &self.row.rpc, outgoing, max)
            .await
            .map_err(Ending::Failed)?;
        while let Some(message) = call.message().await.map_err(Ending::Failed)? {
            self.send(sink, self.render(message)?).await?;
            // A service that always has something to say leaves time for what the client says.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Sends, unless the client takes nothing of it for as long as it may be silent.
    async fn send(&self, sink: &SharedSink, message: Message) -> Result<(), Ending> {
        let stalled_max = self.shared.config.stalled_max;
        let sent = async { sink.lock().await.send(message).await };
        match timeout(stalled_max, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ending::Gone),
        }
    }

    fn render(&self, message: Bytes) -> Result<Message, Ending> {
        if self.binary.load(Ordering::Relaxed) {
            return Ok(Message::Binary(message));
        }
        let mut json = Vec::new();
        unary::to_json(&self.shared.schema, &self.row, &message, &mut json)
            .map_err(Ending::Failed)?;
        match String::from_utf8(json) {
            Ok(text) => Ok(Message::text(text)),
            Err(e) => Err(Ending::Failed(to_status(&Error::internal(e)))),
        }
    }
}
