//! The RPCs, one file each. Here is only the way in and out that they share.

mod answer;
mod explain_stat;
mod forwarding;
mod get_leaderboard;
mod get_match;
mod get_match_leaderboard;
mod get_match_player;
mod get_player;
mod get_rank;
mod get_rating;
mod get_resume_point;
mod get_system_stats;
mod ingest_batch;
mod ingest_channel;
mod ingest_events;
mod ingest_part;
mod list_active_matches;
mod list_metrics;
mod list_ratings;
mod page;
mod parse;
mod watch_match;

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_ownership::{Forwarded, Forwarder};
use gamemesh_rpc::error::to_status;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::stack::Endless;
use pb::match_stats_service_server::MatchStatsService;
use tonic::{Request, Response, Status, Streaming};

use self::answer::{Answer, Conditions};
use self::forwarding::Routed;
use crate::engine::Engine;

/// The gRPC service.
pub(crate) struct StatsRpc {
    engine: Arc<Engine>,
    /// `None`: every match is this process's.
    forwarder: Option<Arc<Forwarder>>,
    lifecycle: Lifecycle,
}

type AnswerStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl StatsRpc {
    pub(crate) fn new(
        engine: Arc<Engine>,
        forwarder: Option<Arc<Forwarder>>,
        lifecycle: Lifecycle,
    ) -> Self {
        Self { engine, forwarder, lifecycle }
    }

    /// A call that the owner of its match answers, who has counted everything of it that any instance has
    /// acknowledged.
    async fn call_owner<M, F>(
        &self,
        request: Request<M>,
        handle: impl FnOnce(Arc<Engine>, M) -> F,
    ) -> Result<Response<M::Answer>, Status>
    where
        M: Routed,
        F: Future<Output = Result<Answer<M::Answer>>>,
    {
        match forwarding::forward(self.forwarder.as_ref(), request).await {
            Forwarded::Here(request) => self.call(request, handle).await,
            Forwarded::Answered(answer) => answer,
        }
    }

    async fn call<M, R, F>(
        &self,
        request: Request<M>,
        handle: impl FnOnce(Arc<Engine>, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<Answer<R>>>,
    {
        let (metadata, _, message) = request.into_parts();
        let conditions = Conditions::of(&metadata);
        match handle(self.engine.clone(), message).await {
            Ok(answer) => Ok(answer.into_response(&conditions)),
            Err(error) => Err(to_status(&error)),
        }
    }
}

/// A stream that lasts for as long as its caller wants.
fn endless<R: 'static>(
    stream: impl Stream<Item = Result<R>> + Send + 'static,
) -> Response<AnswerStream<R>> {
    let stream = stream.map(|item| item.map_err(|error| to_status(&error)));
    let mut response = Response::new(Box::pin(stream) as AnswerStream<R>);
    response.extensions_mut().insert(Endless);
    response
}

macro_rules! calls {
    ($($method:ident by $call:ident: $request:ident -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl MatchStatsService for StatsRpc {
            $(
                async fn $method(
                    &self,
                    request: Request<pb::$request>,
                ) -> Result<Response<pb::$response>, Status> {
                    self.$call(request, $method::handle).await
                }
            )+

            async fn ingest_events(
                &self,
                request: Request<Streaming<pb::IngestEventsRequest>>,
            ) -> Result<Response<pb::IngestEventsResponse>, Status> {
                let handled = ingest_events::handle(&self.engine, request.into_inner()).await;
                handled.map(Response::new).map_err(|error| to_status(&error))
            }

            async fn ingest_part(
                &self,
                request: Request<pb::IngestPartRequest>,
            ) -> Result<Response<pb::IngestPartResponse>, Status> {
                let (_, extensions, message) = request.into_parts();
                let handled = ingest_part::handle(self.engine.clone(), &extensions, message).await;
                handled.map(Response::new).map_err(|error| to_status(&error))
            }

            type IngestChannelStream = AnswerStream<pb::IngestChannelResponse>;

            async fn ingest_channel(
                &self,
                request: Request<Streaming<pb::IngestChannelRequest>>,
            ) -> Result<Response<Self::IngestChannelStream>, Status> {
                let draining = self.lifecycle.draining().clone();
                let channel =
                    ingest_channel::handle(self.engine.clone(), request.into_inner(), draining);
                Ok(endless(channel))
            }

            type WatchMatchStream = AnswerStream<pb::WatchMatchResponse>;

            async fn watch_match(
                &self,
                request: Request<pb::WatchMatchRequest>,
            ) -> Result<Response<Self::WatchMatchStream>, Status> {
                let draining = self.lifecycle.draining().clone();
                let (metadata, _, message) = request.into_parts();
                let last = Conditions::of(&metadata).last_event_id;
                let watch = watch_match::handle(self.engine.clone(), message, last, draining);
                watch.map(endless).map_err(|error| to_status(&error))
            }
        }
    };
}

calls! {
    ingest_batch by call: IngestBatchRequest -> IngestBatchResponse;
    get_resume_point by call: GetResumePointRequest -> GetResumePointResponse;
    get_match by call_owner: GetMatchRequest -> GetMatchResponse;
    list_active_matches by call: ListActiveMatchesRequest -> ListActiveMatchesResponse;
    get_match_player by call_owner: GetMatchPlayerRequest -> GetMatchPlayerResponse;
    get_match_leaderboard by call_owner: GetMatchLeaderboardRequest -> GetMatchLeaderboardResponse;
    get_player by call: GetPlayerRequest -> GetPlayerResponse;
    get_leaderboard by call: GetLeaderboardRequest -> GetLeaderboardResponse;
    get_rank by call: GetRankRequest -> GetRankResponse;
    list_metrics by call: ListMetricsRequest -> ListMetricsResponse;
    explain_stat by call_owner: ExplainStatRequest -> ExplainStatResponse;
    list_ratings by call: ListRatingsRequest -> ListRatingsResponse;
    get_rating by call: GetRatingRequest -> GetRatingResponse;
    get_system_stats by call: GetSystemStatsRequest -> GetSystemStatsResponse;
}
