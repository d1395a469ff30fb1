//! Reads of a match that must see everything go to the owner of the match.

use std::sync::Arc;

use gamemesh_contracts::common::v1::Consistency;
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_ownership::{Delivery, ForwardContext, Forwarder, RetrySafety, Route};
use gamemesh_repository::StreamName;
use pb::match_stats_service_client::MatchStatsServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::RESPONSE_BYTES_MAX;

/// A read of one match.
pub(super) trait Routed: Clone + Send + 'static {
    type Answer: Send + 'static;

    /// The match, if its owner is to be asked: what may be older is answered by any instance.
    fn owned_match(&self) -> Option<&str>;

    fn send(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

macro_rules! routed {
    ($($request:ident -> $answer:ident by $method:ident: |$message:ident| $is_strong:expr;)+) => { $(
        impl Routed for pb::$request {
            type Answer = pb::$answer;

            fn owned_match(&self) -> Option<&str> {
                let $message = self;
                Some(&*self.match_id).filter(|id| !id.is_empty() && $is_strong)
            }

            async fn send(
                channel: Channel,
                request: Request<Self>,
            ) -> Result<Response<Self::Answer>, Status> {
                let client = MatchStatsServiceClient::new(channel);
                client.max_decoding_message_size(RESPONSE_BYTES_MAX).$method(request).await
            }
        }
    )+ };
}

routed! {
    GetMatchRequest -> GetMatchResponse by get_match: |m| is_strong(m.consistency);
    GetMatchPlayerRequest -> GetMatchPlayerResponse by get_match_player: |m| is_strong(m.consistency);
    GetMatchLeaderboardRequest -> GetMatchLeaderboardResponse by get_match_leaderboard:
        |m| is_strong(m.consistency);
    ExplainStatRequest -> ExplainStatResponse by explain_stat: |_m| true;
}

fn is_strong(consistency: i32) -> bool {
    !matches!(Consistency::try_from(consistency), Ok(Consistency::Bounded | Consistency::Any))
}

/// What came of looking for the owner.
pub(super) enum Way<M: Routed> {
    /// It is worked on here.
    Here(Request<M>),
    Answered(Result<Response<M::Answer>, Status>),
}

/// Sends a read to the owner of its match, if that is another instance that answers. Every instance follows
/// the whole log, so it is answered here otherwise.
pub(super) async fn forward<M: Routed>(
    forwarder: Option<&Arc<Forwarder>>,
    request: Request<M>,
) -> Way<M> {
    let Some(forwarder) = forwarder else { return Way::Here(request) };
    let Some(id) = request.get_ref().owned_match() else { return Way::Here(request) };
    let lane = StreamName::new("match", id).lane(forwarder.ownership().lanes());
    let ForwardContext { call, is_forwarded } =
        forwarder.context(request.metadata(), request.extensions());
    let Route::There(peer) = forwarder.route(lane, is_forwarded).await else {
        return Way::Here(request);
    };
    let retry = RetrySafety { is_recognised: true, is_unknown_there: |_| false };
    let message = request.get_ref().clone();
    match forwarder.deliver(&peer, &call, message, retry, M::send).await {
        Delivery::Answered(answer) => Way::Answered(answer),
        Delivery::NotDone | Delivery::Unknown => Way::Here(request),
    }
}
