//! Any RPC over a WebSocket.
//!
//! A text frame is one message in JSON, a binary frame one message in protobuf; answers come in the form
//! of the client's first frame, or of the subprotocol it chose (`json`, `proto`). A method that takes one
//! message with a body waits for the first frame, others start at once. An empty text frame ends the
//! requests of a client stream. The connection closes with 1000, or with 4000 plus the gRPC code.

mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{SplitSink, SplitStream};
use gamemesh_rpc::error::{Code, Error, to_status};
use gamemesh_rpc::websocket::{Protocols, READ_BUFFER_BYTES};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::gateway::Shared;
use crate::request::{self, Target};
use crate::table::{BodyRule, Row};
use crate::upstream::{self, Call, Outgoing};
use crate::{metadata, unary};

use socket::{Ending, close, send};

/// A peer that does not even answer pings for this many heartbeats is gone.
const SILENT_HEARTBEATS_MAX: u32 = 3;

/// Accepts the connection. What the URI says wrong is refused over HTTP, before the upgrade.
pub(crate) async fn accept(
    shared: &Arc<Shared>,
    row: &Arc<Row>,
    target: &Target<'_>,
    mut parts: Parts,
) -> Result<Response<axum::body::Body>, Error> {
    let mut bound = Vec::new();
    request::put_target(&shared.schema, target, &mut bound)?;
    let (mut metadata, timeout) = metadata::from_headers(&parts.headers)?;
    let protocols = Protocols::offered(&parts.headers);
    let mut upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let binary = choose_protocol(&mut upgrade, &protocols, &mut metadata);
    let session = Session {
        shared: Arc::clone(shared),
        row: Arc::clone(row),
        bound: bound.into(),
        metadata,
        timeout,
        binary: AtomicBool::new(binary),
    };
    // The transport's own limit only guards memory: below it a frame that is too large gets its reason.
    let frame_bytes_max = shared.config.websocket_frame_bytes_max * 2;
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
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
    bound: Bytes,
    metadata: HeaderMap,
    timeout: Option<std::time::Duration>,
    /// Answers go out as protobuf.
    binary: AtomicBool,
}

type Sink = SplitSink<WebSocket, Message>;
type Source = SplitStream<WebSocket>;

impl Session {
    async fn serve(self, socket: WebSocket) {
        let (mut sink, mut source) = socket.split();
        let ending = match self.run(&mut sink, &mut source).await {
            Ok(()) => Ending::Done,
            Err(ending) => ending,
        };
        let binary = self.binary.load(Ordering::Relaxed);
        close(&self.shared.schema, sink, source, ending, binary).await;
    }

    async fn run(&self, sink: &mut Sink, source: &mut Source) -> Result<(), Ending> {
        if self.row.rpc.client_streaming {
            let (sender, receiver) = mpsc::channel(self.shared.config.stream_messages_max);
            let frames =
                ReceiverStream::new(receiver).map(|message| Ok::<_, Status>(Frame::data(message)));
            let output = self.output(tonic::body::Body::new(StreamBody::new(frames)), sink);
            let input = self.input(source, Some(sender));
            tokio::select! {
                ended = output => ended,
                ended = input => ended,
            }
        } else {
            let message = match self.row.body {
                BodyRule::None => {
                    self.shared.framed(&self.row, b"", &self.bound).map_err(Ending::refused)?.into()
                }
                _ => self.first(source).await?,
            };
            let output = self.output(tonic::body::Body::new(Full::new(message)), sink);
            let input = self.input(source, None);
            tokio::select! {
                ended = output => ended,
                ended = input => ended,
            }
        }
    }

    /// The first message of the client.
    async fn first(&self, source: &mut Source) -> Result<Bytes, Ending> {
        loop {
            let frame = self.receive(source).await?;
            if let Some(message) = self.message(frame)? {
                return Ok(message);
            }
        }
    }

    /// Hands the client's messages to the service until the client goes away.
    async fn input(
        &self,
        source: &mut Source,
        mut sender: Option<mpsc::Sender<Bytes>>,
    ) -> Result<(), Ending> {
        loop {
            let frame = self.receive(source).await?;
            if matches!(&frame, Message::Text(text) if text.is_empty()) {
                sender = None;
                continue;
            }
            let Some(message) = self.message(frame)? else { continue };
            let Some(open) = &sender else {
                let what = "the requests of this call have ended: another message is not accepted";
                return Err(Ending::refused(Error::new(Code::InvalidArgument, what)));
            };
            // The service may end its side first; its answer says so.
            if open.send(message).await.is_err() {
                sender = None;
            }
        }
    }

    async fn receive(&self, source: &mut Source) -> Result<Message, Ending> {
        let silence_max = self.shared.config.heartbeat * SILENT_HEARTBEATS_MAX;
        match tokio::time::timeout(silence_max, source.next()).await {
            Ok(Some(Ok(Message::Close(_)))) | Ok(None) | Err(_) => Err(Ending::Gone),
            Ok(Some(Err(_))) => Err(Ending::Broken),
            Ok(Some(Ok(frame))) => Ok(frame),
        }
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
                message.extend_from_slice(&self.bound);
                upstream::finish_frame(&mut message).map_err(Ending::refused)?;
                Ok(Some(message.into()))
            }
            _ => Ok(None),
        }
    }

    /// Calls the service and sends the client what it answers.
    async fn output(&self, body: tonic::body::Body, sink: &mut Sink) -> Result<(), Ending> {
        let max = self.shared.config.response_bytes_max;
        let metadata = self.metadata.clone();
        let outgoing = Outgoing { metadata, body, timeout: self.timeout, fault: None };
        let mut call = upstream::call(&self.shared.upstream, &self.row.rpc, outgoing, max)
            .await
            .map_err(Ending::Failed)?;
        while let Some(message) = self.next(&mut call, sink).await? {
            send(sink, self.render(message)?).await?;
        }
        Ok(())
    }

    /// The next answer. A silent service does not make a silent connection: pings keep it open.
    async fn next(&self, call: &mut Call, sink: &mut Sink) -> Result<Option<Bytes>, Ending> {
        loop {
            match tokio::time::timeout(self.shared.config.heartbeat, call.message()).await {
                Ok(message) => return message.map_err(Ending::Failed),
                Err(_) => send(sink, Message::Ping(Bytes::new())).await?,
            }
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
