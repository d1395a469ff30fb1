//! Live combat over WebSocket: `/api/v1/combat/sessions/{sessionId}/ws`.
//!
//! A connection is a reader and a writer beside each other. The reader parses, limits and passes on; the
//! writer sends what the session's owner has put into the [`outlet::Outlet`]. Neither knows the rules.

pub(crate) mod close;
mod codec;
mod echo;
mod expiry;
#[cfg(test)]
mod fuzz;
mod gcra;
mod greeting;
mod limits;
pub(crate) mod outlet;
mod player;
mod relay;
mod spectator;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, response::IntoResponse as _};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::{CallContext, ForwardContext, Route};
use gamemesh_repository::Lane;
use gamemesh_rpc::auth::{Permit, Role};
use gamemesh_rpc::error::to_http;
use gamemesh_rpc::http_route::Access;
use gamemesh_rpc::stack::PendingAuthentication;
use gamemesh_rpc::trace::Correlation;
use gamemesh_rpc::websocket::{Session, Upgrade, hear_out};
use http::HeaderMap;
use tonic::metadata::MetadataMap;

use self::codec::{Codec, PROTOCOLS};
use self::greeting::Greeting;
use self::outlet::{Closing, Outlet};
use self::relay::Relay;
use crate::edge::Edge;
use crate::forwarding::lane_of;
use crate::ids::SessionId;

pub(crate) use self::codec::event_json;

/// One connection costs a read buffer of this size for as long as it lives.
const READ_BUFFER_BYTES: usize = 4 << 10;

/// A client that has said nothing for so long, not even a pong, is taken as gone.
const SILENT_MAX: Duration = Duration::from_secs(15);

/// How often a client is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The route, and who may take it. The token may come in the first frame.
pub(crate) fn routes(edge: Arc<Edge>) -> (Access, Router) {
    let access = Access::of(&[Role::Player, Role::GameServer, Role::Spectator, Role::Analyst]);
    let router = Router::new()
        .route("/api/v1/combat/sessions/{session_id}/ws", any(upgrade))
        .with_state(edge);
    (access.later(), router)
}

async fn upgrade(
    State(edge): State<Arc<Edge>>,
    Path(session_id): Path<String>,
    permit: Option<Extension<Permit>>,
    Extension(pending): Extension<PendingAuthentication>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let session = match SessionId::parse("sessionId", &session_id) {
        Ok(session) => session,
        Err(error) => return to_http(&error).into_response(),
    };
    let upgrade = if edge.echo { upgrade.choose(&[echo::PROTOCOL]) } else { upgrade };
    if upgrade.chosen().is_some() {
        return upgrade
            .message_bytes_max(echo::MESSAGE_BYTES_MAX)
            .unsent_bytes_max(2 * echo::MESSAGE_BYTES_MAX)
            .on_upgrade(echo::serve);
    }
    let upgrade = upgrade
        .choose(&PROTOCOLS)
        .read_buffer_bytes(READ_BUFFER_BYTES)
        .message_bytes_max(limits::READ_BYTES_MAX)
        .unsent_bytes_max(outlet::WRITTEN_BYTES_MAX);
    let Some(codec) = upgrade.chosen().and_then(Codec::of) else {
        let what = format!("offer one of the sub-protocols {}", PROTOCOLS.join(", "));
        return to_http(&Error::invalid("Sec-WebSocket-Protocol", what)).into_response();
    };
    if let Some((owner, lane, call)) = elsewhere(&edge, &session, headers, correlation).await {
        return upgrade.on_upgrade(async move |socket| {
            Relay { edge: &edge, session, lane, owner, call, codec }.serve(socket).await;
        });
    }
    let client = Client { edge, session, codec, permit: permit.map(|p| p.0), pending };
    upgrade.on_upgrade(move |socket| client.serve(socket))
}

/// The owner of a session, if that is another instance, and what of the request goes there. A request that
/// was passed on is served here, or refused.
async fn elsewhere(
    edge: &Edge,
    session: &SessionId,
    headers: HeaderMap,
    correlation: Correlation,
) -> Option<(String, Lane, CallContext)> {
    let forwarder = edge.forwarder.as_ref()?;
    let mut extensions = http::Extensions::new();
    extensions.insert(correlation);
    let metadata = MetadataMap::from_headers(headers);
    let ForwardContext { call, is_forwarded } = forwarder.context(&metadata, &extensions);
    let lane = lane_of(session, forwarder);
    match forwarder.route(lane, is_forwarded).await {
        Route::There(peer) => Some((peer.address().to_owned(), lane, call)),
        Route::Here(_) => None,
    }
}

/// A connection before it is known whom it is for.
struct Client {
    edge: Arc<Edge>,
    session: SessionId,
    codec: Codec,
    permit: Option<Permit>,
    pending: PendingAuthentication,
}

impl Client {
    async fn serve(self, socket: Session) {
        use futures::StreamExt as _;

        let Session { socket, draining, .. } = socket;
        let (sink, mut source) = socket.split();
        let outlet = Arc::new(Outlet::default());
        let writer = writer::Writer::new(sink, outlet.clone(), self.codec);
        let reading = async {
            if let Err(closing) = self.converse(&mut source, &outlet, &draining).await {
                outlet.close(closing);
                // The writer ends when it has said farewell.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            closed = writer.run() => {
                if let Some(code) = closed {
                    self.edge.metrics.closed(code);
                }
            }
            () = reading => {}
        }
        outlet.abandon();
        hear_out(source, true).await;
    }

    /// Greets the client and then serves it, until it goes away or there is a reason to close.
    async fn converse(
        &self,
        source: &mut player::Source,
        outlet: &Arc<Outlet>,
        draining: &tokio_util::sync::CancellationToken,
    ) -> std::result::Result<(), Closing> {
        let greeting = tokio::select! {
            greeting = greeting::read(self, source) => greeting?,
            () = draining.cancelled() => return Err(restart(0)),
        };
        match greeting {
            Greeting::Player(hello) => player::serve(self, *hello, source, outlet, draining).await,
            Greeting::Spectator(hello) => {
                spectator::serve(self, hello, source, outlet, draining).await
            }
        }
    }
}

/// The server is about to end. Connections go one after the other, and come back spread over a time.
fn restart(spread: u64) -> Closing {
    Closing {
        code: close::RESTART,
        reason: "the server is restarted; come back with the resume token".to_owned(),
        retry_after_ms: 200 + (spread % 2_000) as u32,
    }
}

/// How a refusal closes a connection.
fn refused(error: &Error) -> Closing {
    let code = match error.code {
        Code::SessionEnded => close::ENDED,
        Code::SessionFull => close::TRY_LATER,
        Code::NotJoined => close::FORBIDDEN,
        code => close::of(code),
    };
    let retry_after_ms = if matches!(code, close::TRY_LATER | close::RESTART) { 1_000 } else { 0 };
    Closing { code, reason: format!("{}: {}", error.code.reason(), error.message), retry_after_ms }
}

/// Asks for the right to be a player.
fn require_player(permit: &Permit, player: &str) -> Result<()> {
    permit.require_player(player)
}
