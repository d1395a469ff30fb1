//! Calls on sessions that another instance owns go there.

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_ownership::{
    Delivery, ForwardContext, Forwarder, RetrySafety, Route, outcome_unknown,
};
use gamemesh_rpc::error::to_status;
use pb::combat_service_client::CombatServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::ids::CATEGORY;

/// A call that belongs to the owner of its session.
pub(crate) trait Routed: Clone + Send + 'static {
    type Answer: Send + 'static;

    /// Whether a second call does no harm after a first whose answer was lost.
    const IS_RECOGNISED: bool;

    fn session_id(&self) -> &str;

    fn send(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

macro_rules! routed {
    ($($request:ident -> $answer:ident by $method:ident, recognised: $recognised:literal;)+) => { $(
        impl Routed for pb::$request {
            type Answer = pb::$answer;

            const IS_RECOGNISED: bool = $recognised;

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
    GetSessionRequest -> GetSessionResponse by get_session, recognised: true;
    UpdateSessionRequest -> UpdateSessionResponse by update_session, recognised: true;
    EndSessionRequest -> EndSessionResponse by end_session, recognised: true;
    JoinSessionRequest -> JoinSessionResponse by join_session, recognised: true;
    LeaveSessionRequest -> LeaveSessionResponse by leave_session, recognised: true;
    ApplyDamageRequest -> ApplyDamageResponse by apply_damage, recognised: true;
    PerformActionRequest -> PerformActionResponse by perform_action, recognised: true;
    UpdatePositionRequest -> UpdatePositionResponse by update_position, recognised: true;
    SpectateSessionRequest -> SpectateSessionResponse by spectate_session, recognised: true;
    GetSessionStateRequest -> GetSessionStateResponse by get_session_state, recognised: true;
    CreateSessionRequest -> CreateSessionResponse by create_session, recognised: false;
}

/// What came of looking for the owner.
pub(crate) enum Way<M: Routed> {
    /// It is worked on here.
    Here(Request<M>),
    Answered(Result<Response<M::Answer>, Status>),
}

/// Sends a call to the owner of its session, if that is another instance.
pub(crate) async fn forward<M: Routed>(
    forwarder: Option<&Arc<Forwarder>>,
    request: Request<M>,
) -> Way<M> {
    let Some(forwarder) = forwarder else { return Way::Here(request) };
    let session_id = request.get_ref().session_id();
    if session_id.is_empty() {
        return Way::Here(request);
    }
    let stream = gamemesh_repository::StreamName::new(CATEGORY, session_id);
    let lane = stream.lane(forwarder.ownership().lanes());
    let ForwardContext { call, is_forwarded } =
        forwarder.context(request.metadata(), request.extensions());
    let Route::There(peer) = forwarder.route(lane, is_forwarded).await else {
        return Way::Here(request);
    };
    let retry = RetrySafety { is_recognised: M::IS_RECOGNISED, is_unknown_there: |_| false };
    let message = request.get_ref().clone();
    match forwarder.deliver(&peer, &call, message, retry, M::send).await {
        Delivery::Answered(answer) => Way::Answered(answer),
        Delivery::NotDone => Way::Here(request),
        Delivery::Unknown => Way::Answered(Err(to_status(&outcome_unknown()))),
    }
}
