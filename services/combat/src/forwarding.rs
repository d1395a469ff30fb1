//! Calls on sessions that another instance owns go there.
//!
//! A call is passed on once. Whoever receives it and does not own the session either refuses it, so none
//! goes in circles.

mod stream;

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_ownership::{Forwarded, Forwarder, LaneOwnership};
use gamemesh_repository::Lane;
use pb::combat_service_client::CombatServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

pub(crate) use self::stream::{gone, passed_on};
use crate::ids::SessionId;

/// Names that are tried for a session that may have any, to find one that is owned here.
const NAMES_TRIED: usize = 64;

/// A call that belongs to the owner of its session.
pub(crate) trait Routed: Clone + Send + 'static {
    type Answer: Send + 'static;

    fn session_id(&self) -> &str;

    fn send(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

macro_rules! routed {
    ($($request:ident -> $answer:ty, by $method:ident;)+) => { $(
        impl Routed for pb::$request {
            type Answer = $answer;

            fn session_id(&self) -> &str {
                &self.session_id
            }

            async fn send(
                channel: Channel,
                request: Request<Self>,
            ) -> Result<Response<Self::Answer>, Status> {
                CombatServiceClient::new(channel).$method(request).await
            }
        }
    )+ };
}

routed! {
    CreateSessionRequest -> pb::CreateSessionResponse, by create_session;
    GetSessionRequest -> pb::GetSessionResponse, by get_session;
    UpdateSessionRequest -> pb::UpdateSessionResponse, by update_session;
    EndSessionRequest -> pb::EndSessionResponse, by end_session;
    JoinSessionRequest -> pb::JoinSessionResponse, by join_session;
    LeaveSessionRequest -> pb::LeaveSessionResponse, by leave_session;
    ApplyDamageRequest -> pb::ApplyDamageResponse, by apply_damage;
    PerformActionRequest -> pb::PerformActionResponse, by perform_action;
    UpdatePositionRequest -> pb::UpdatePositionResponse, by update_position;
    SpectateSessionRequest -> pb::SpectateSessionResponse, by spectate_session;
    GetSessionStateRequest -> pb::GetSessionStateResponse, by get_session_state;
    WatchSessionRequest -> Streaming<pb::WatchSessionResponse>, by watch_session;
}

/// The lane of a session.
pub(crate) fn lane_of(session: &SessionId, forwarder: &Forwarder) -> Lane {
    session.stream().lane(forwarder.ownership().lanes())
}

/// Sends a call to the owner of its session, if that is another instance. A second call does no harm
/// after a first whose answer was lost: it finds what the first has done.
pub(crate) async fn forward<M: Routed>(
    forwarder: Option<&Arc<Forwarder>>,
    request: Request<M>,
) -> Forwarded<M, M::Answer> {
    // A name that is none is refused here.
    match SessionId::parse("sessionId", request.get_ref().session_id()) {
        Ok(session) => forward_to(forwarder, &session, request, true).await,
        Err(_) => Forwarded::Here(request),
    }
}

/// Sends a call to the owner of this session. `is_recognised`: a second call does no harm after a first
/// whose answer was lost.
pub(crate) async fn forward_to<M: Routed>(
    forwarder: Option<&Arc<Forwarder>>,
    session: &SessionId,
    request: Request<M>,
    is_recognised: bool,
) -> Forwarded<M, M::Answer> {
    let Some(forwarder) = forwarder else { return Forwarded::Here(request) };
    forwarder.forward(lane_of(session, forwarder), request, is_recognised, M::send).await
}

/// A name for a new session: one whose lane is owned here, so that its owner is near, if that is easily
/// found.
pub(crate) fn new_name(forwarder: Option<&Arc<Forwarder>>) -> SessionId {
    let is_near = |session: &SessionId| {
        forwarder.is_none_or(|forwarder| {
            let owner = forwarder.ownership().owner(lane_of(session, forwarder));
            matches!(owner, LaneOwnership::Here(_))
        })
    };
    let mut names = (0..NAMES_TRIED).map(|_| SessionId::generate());
    names.find(is_near).unwrap_or_else(SessionId::generate)
}
