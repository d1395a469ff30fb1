//! Instances that share one log: each lane has one that writes it, and the others bring it what is for it.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::{LaneOwnership, Ownership};
use gamemesh_repository::{Lane, Position};
use gamemesh_rpc::auth::{Principal, Role};
use gamemesh_rpc::forward::Mark;
use gamemesh_rpc::peer::{DeliveryFailure, Peer};
use http::HeaderMap;
use pb::match_stats_service_client::MatchStatsServiceClient;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use crate::block::{Content, Fate};

/// How long an owner may take over a part; then it is asked again, or who owns the lane by then.
const PART_TIMEOUT: Duration = Duration::from_secs(10);

/// As whom an instance brings the others what is for them.
const SUBJECT: &str = "service:stats";

pub(crate) struct Owners {
    pub(crate) ownership: Arc<Ownership>,
    mark: Mark,
    caller: Principal,
}

/// What came of bringing a part to an owner.
pub(super) enum Brought {
    /// It is counted there, and stands at this position of the lane.
    Counted(Vec<Fate>, Position),
    /// The owner is away, or is none any more. What was done there is known by its ids.
    NotTaken,
}

impl Owners {
    pub(crate) fn new(ownership: Arc<Ownership>, mark: Mark) -> Self {
        let caller = Principal { subject: SUBJECT.into(), role: Role::GameServer, player_id: None };
        Self { ownership, mark, caller }
    }

    pub(super) fn of(&self, lane: Lane) -> LaneOwnership {
        self.ownership.owner(lane)
    }

    pub(super) async fn bring(
        &self,
        peer: &Arc<Peer>,
        lane: Lane,
        part: &Content,
    ) -> Result<Brought> {
        let Some(channel) = peer.channel() else { return Ok(Brought::NotTaken) };
        let message = pb::IngestPartRequest { lane: lane.0.into(), content: part.encode().into() };
        let mut request = Request::from_parts(self.metadata(), Extensions::default(), message);
        request.set_timeout(PART_TIMEOUT);
        let client = MatchStatsServiceClient::new(channel);
        let mut client = client.max_encoding_message_size(usize::MAX);
        let status = match client.ingest_part(request).await {
            Ok(answer) => {
                let pb::IngestPartResponse { fates, position } = answer.into_inner();
                if fates.len() != part.events.len() {
                    return Err(Error::internal("an instance answered for other events"));
                }
                let fates = fates.iter().map(|fate| Fate::of_number(*fate)).collect();
                return Ok(Brought::Counted(fates, position));
            }
            Err(status) => status,
        };
        if DeliveryFailure::of(&status).is_some() {
            tracing::debug!(peer = peer.address(), %status, "a part was not taken");
            peer.lost();
            return Ok(Brought::NotTaken);
        }
        match status.code() {
            // It is draining, has lost the lane, waits for its store, or has no room: later, or elsewhere.
            tonic::Code::Unavailable
            | tonic::Code::ResourceExhausted
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled => Ok(Brought::NotTaken),
            _ => Err(Error::internal(format!("the owner of a lane refused a part: {status}"))),
        }
    }

    fn metadata(&self) -> MetadataMap {
        let mut headers = HeaderMap::new();
        self.mark.put(&mut headers);
        self.mark.vouch(&mut headers, &self.caller);
        MetadataMap::from_headers(headers)
    }
}

/// For the caller when nobody owned the lane for too long.
pub(super) fn unowned() -> Error {
    Error::new(Code::Fenced, "nobody owns these matches for the moment; send the events again")
        .with_retry_after(Duration::from_secs(1))
}
