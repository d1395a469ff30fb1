//! Reads of a match that must see everything go to the owner of the match.

use std::sync::Arc;

use gamemesh_contracts::common::v1::Consistency;
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_ownership::{Forwarded, Forwarder};
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

/// Sends a read to the owner of its match, if that is another instance that answers. Every instance follows
/// the whole log, so it is answered here otherwise.
pub(super) async fn forward<M: Routed>(
    forwarder: Option<&Arc<Forwarder>>,
    request: Request<M>,
) -> Forwarded<M, M::Answer> {
    let Some(forwarder) = forwarder else { return Forwarded::Here(request) };
    let Some(id) = request.get_ref().owned_match() else { return Forwarded::Here(request) };
    let lane = StreamName::new("match", id).lane(forwarder.ownership().lanes());
    // Asked twice, it is read twice.
    forwarder.forward(lane, request, true, M::send).await
}
