//! The RPCs, one file each. Here is only the way in and out that they share.

mod apply_damage;
mod create_session;
mod end_session;
mod explain_damage;
mod game_server;
mod get_player_stats;
mod get_session;
mod get_session_state;
mod get_session_stats;
mod join_session;
mod leave_session;
mod list_sessions;
mod perform_action;
mod replay_session;
mod spectate_session;
mod update_position;
mod update_session;
mod verify_replay;
mod watch_session;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_ownership::Forwarded;
use gamemesh_rpc::error::to_status;
use pb::combat_service_server::CombatService;
use tonic::{Request, Response, Status, Streaming};

use self::create_session::Named;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::forwarding::{Routed, forward, forward_to, gone, lane_of, passed_on};
use crate::ids::SessionId;

/// The gRPC service.
pub(crate) struct CombatRpc {
    edge: Arc<Edge>,
}

type AnswerStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl CombatRpc {
    pub(crate) fn new(edge: Arc<Edge>) -> Self {
        Self { edge }
    }

    async fn call<M, R, F>(
        &self,
        method: &'static str,
        request: Request<M>,
        handle: impl FnOnce(Arc<Edge>, Caller, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R>>,
    {
        let began = Instant::now();
        let (metadata, extensions, message) = request.into_parts();
        let answer = match Caller::of(&metadata, &extensions) {
            Ok(caller) => handle(self.edge.clone(), caller, message).await,
            Err(error) => Err(error),
        };
        self.edge.metrics.request(method, began.elapsed());
        answer.map(Response::new).map_err(|error| self.refused(&error))
    }

    /// A call that belongs to the owner of its session, which may be another instance.
    async fn routed<M, F>(
        &self,
        method: &'static str,
        request: Request<M>,
        handle: impl FnOnce(Arc<Edge>, Caller, M) -> F,
    ) -> Result<Response<M::Answer>, Status>
    where
        M: Routed,
        F: Future<Output = Result<M::Answer>>,
    {
        match forward(self.edge.forwarder.as_ref(), request).await {
            Forwarded::Here(request) => self.call(method, request, handle).await,
            Forwarded::Answered(answer) => answer,
        }
    }

    async fn stream<M, R, S, F>(
        &self,
        request: Request<M>,
        handle: impl FnOnce(Arc<Edge>, Caller, M) -> F,
    ) -> Result<Response<AnswerStream<R>>, Status>
    where
        R: 'static,
        S: Stream<Item = Result<R>> + Send + 'static,
        F: Future<Output = Result<S>>,
    {
        let (metadata, extensions, message) = request.into_parts();
        let caller = Caller::of(&metadata, &extensions).map_err(|error| self.refused(&error))?;
        let stream = handle(self.edge.clone(), caller, message).await;
        let stream = stream.map_err(|error| self.refused(&error))?;
        Ok(Response::new(Box::pin(stream.map(|item| item.map_err(|error| to_status(&error))))))
    }

    fn refused(&self, error: &Error) -> Status {
        self.edge.metrics.refused(error.code);
        to_status(error)
    }
}

#[tonic::async_trait]
impl CombatService for CombatRpc {
    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        self.call("ListSessions", request, list_sessions::handle).await
    }

    async fn create_session(
        &self,
        mut request: Request<pb::CreateSessionRequest>,
    ) -> Result<Response<pb::CreateSessionResponse>, Status> {
        let caller = Caller::of(request.metadata(), request.extensions());
        let named = caller.and_then(|caller| {
            create_session::name(&caller, request.get_ref(), self.edge.forwarder.as_ref())
        });
        let Named { session, is_recognised } = named.map_err(|error| self.refused(&error))?;
        if !is_recognised {
            // Whoever works on it gives it this name.
            session.as_str().clone_into(&mut request.get_mut().session_id);
        }
        let forwarder = self.edge.forwarder.as_ref();
        match forward_to(forwarder, &session, request, is_recognised).await {
            Forwarded::Here(request) => {
                self.call("CreateSession", request, create_session::handle).await
            }
            Forwarded::Answered(answer) => answer,
        }
    }

    async fn get_session(
        &self,
        request: Request<pb::GetSessionRequest>,
    ) -> Result<Response<pb::GetSessionResponse>, Status> {
        self.routed("GetSession", request, get_session::handle).await
    }

    async fn update_session(
        &self,
        request: Request<pb::UpdateSessionRequest>,
    ) -> Result<Response<pb::UpdateSessionResponse>, Status> {
        self.routed("UpdateSession", request, update_session::handle).await
    }

    async fn end_session(
        &self,
        request: Request<pb::EndSessionRequest>,
    ) -> Result<Response<pb::EndSessionResponse>, Status> {
        self.routed("EndSession", request, end_session::handle).await
    }

    async fn join_session(
        &self,
        request: Request<pb::JoinSessionRequest>,
    ) -> Result<Response<pb::JoinSessionResponse>, Status> {
        self.routed("JoinSession", request, join_session::handle).await
    }

    async fn leave_session(
        &self,
        request: Request<pb::LeaveSessionRequest>,
    ) -> Result<Response<pb::LeaveSessionResponse>, Status> {
        self.routed("LeaveSession", request, leave_session::handle).await
    }

    async fn apply_damage(
        &self,
        request: Request<pb::ApplyDamageRequest>,
    ) -> Result<Response<pb::ApplyDamageResponse>, Status> {
        self.routed("ApplyDamage", request, apply_damage::handle).await
    }

    async fn perform_action(
        &self,
        request: Request<pb::PerformActionRequest>,
    ) -> Result<Response<pb::PerformActionResponse>, Status> {
        self.routed("PerformAction", request, perform_action::handle).await
    }

    async fn update_position(
        &self,
        request: Request<pb::UpdatePositionRequest>,
    ) -> Result<Response<pb::UpdatePositionResponse>, Status> {
        self.routed("UpdatePosition", request, update_position::handle).await
    }

    async fn spectate_session(
        &self,
        request: Request<pb::SpectateSessionRequest>,
    ) -> Result<Response<pb::SpectateSessionResponse>, Status> {
        self.routed("SpectateSession", request, spectate_session::handle).await
    }

    type WatchSessionStream = AnswerStream<pb::WatchSessionResponse>;

    async fn watch_session(
        &self,
        request: Request<pb::WatchSessionRequest>,
    ) -> Result<Response<Self::WatchSessionStream>, Status> {
        let session = SessionId::parse("sessionId", &request.get_ref().session_id);
        let request = match forward(self.edge.forwarder.as_ref(), request).await {
            Forwarded::Here(request) => request,
            Forwarded::Answered(answer) => {
                let (Some(forwarder), Ok(session)) = (&self.edge.forwarder, session) else {
                    return Err(to_status(&gone()));
                };
                let lane = lane_of(&session, forwarder);
                return answer.map(|answer| {
                    answer.map(|answers| -> AnswerStream<_> {
                        Box::pin(passed_on(forwarder, lane, answers))
                    })
                });
            }
        };
        self.stream(request, watch_session::handle).await
    }

    async fn get_session_state(
        &self,
        request: Request<pb::GetSessionStateRequest>,
    ) -> Result<Response<pb::GetSessionStateResponse>, Status> {
        self.routed("GetSessionState", request, get_session_state::handle).await
    }

    type ReplaySessionStream = AnswerStream<pb::ReplaySessionResponse>;

    async fn replay_session(
        &self,
        request: Request<pb::ReplaySessionRequest>,
    ) -> Result<Response<Self::ReplaySessionStream>, Status> {
        self.stream(request, replay_session::handle).await
    }

    async fn verify_replay(
        &self,
        request: Request<pb::VerifyReplayRequest>,
    ) -> Result<Response<pb::VerifyReplayResponse>, Status> {
        self.call("VerifyReplay", request, verify_replay::handle).await
    }

    async fn explain_damage(
        &self,
        request: Request<pb::ExplainDamageRequest>,
    ) -> Result<Response<pb::ExplainDamageResponse>, Status> {
        self.call("ExplainDamage", request, explain_damage::handle).await
    }

    async fn get_session_stats(
        &self,
        request: Request<pb::GetSessionStatsRequest>,
    ) -> Result<Response<pb::GetSessionStatsResponse>, Status> {
        self.call("GetSessionStats", request, get_session_stats::handle).await
    }

    async fn get_player_stats(
        &self,
        request: Request<pb::GetPlayerStatsRequest>,
    ) -> Result<Response<pb::GetPlayerStatsResponse>, Status> {
        self.call("GetPlayerStats", request, get_player_stats::handle).await
    }

    type GameServerStream = AnswerStream<pb::GameServerResponse>;

    async fn game_server(
        &self,
        request: Request<Streaming<pb::GameServerRequest>>,
    ) -> Result<Response<Self::GameServerStream>, Status> {
        let context = self.edge.forwarder.as_ref();
        let context =
            context.map(|forwarder| forwarder.context(request.metadata(), request.extensions()));
        let handle = |edge, caller, requests| game_server::handle(edge, caller, requests, context);
        self.stream(request, handle).await
    }
}
