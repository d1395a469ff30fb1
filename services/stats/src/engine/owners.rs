//! Instances that share one log: each lane has one that writes it, and the others bring it what is for it.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::{LaneOwnership, OwnedLanes, Ownership};
use gamemesh_repository::{Lane, Position};
use gamemesh_rpc::forward::{FORWARDED_HEADER, Mark};
use gamemesh_rpc::peer::{DeliveryFailure, Peer};
use http::{HeaderMap, HeaderValue, header};
use pb::match_stats_service_client::MatchStatsServiceClient;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use crate::block::{Content, Fate};

/// How long an owner may take over a part; then it is asked again, or who owns the lane by then.
const PART_TIMEOUT: Duration = Duration::from_secs(10);

/// Signs this instance's own calls to the others; `None` where nobody is authenticated.
pub type Signer = Option<Arc<dyn Fn() -> Result<String> + Send + Sync>>;

/// What an instance needs to own matches beside others.
#[derive(Clone)]
pub struct Instances {
    pub lanes: OwnedLanes,
    pub signer: Signer,
}

pub(crate) struct Owners {
    pub(crate) ownership: Arc<Ownership>,
    mark: Mark,
    signer: Signer,
}

/// What came of bringing a part to an owner.
pub(super) enum Brought {
    /// It is counted there, and stands at this position of the lane.
    Counted(Vec<Fate>, Position),
    /// The owner is away, or is none any more. What was done there is known by its ids.
    NotTaken,
}

impl Owners {
    pub(crate) fn new(ownership: Arc<Ownership>, instances: Instances) -> Self {
        Self { ownership, mark: instances.lanes.mark, signer: instances.signer }
    }

    pub(super) fn of(&self, lane: Lane) -> LaneOwnership {
        self.ownership.owner(lane)
    }

    /// Whether a part comes from another instance.
    pub(crate) fn is_instance(&self, metadata: &MetadataMap) -> bool {
        let headers = metadata.as_ref();
        headers.contains_key(FORWARDED_HEADER)
            && (self.signer.is_none() || self.mark.proves(headers))
    }

    pub(super) async fn bring(
        &self,
        peer: &Arc<Peer>,
        lane: Lane,
        part: &Content,
    ) -> Result<Brought> {
        let Some(channel) = peer.channel() else { return Ok(Brought::NotTaken) };
        let message = pb::IngestPartRequest { lane: lane.0.into(), content: part.encode().into() };
        let mut request = Request::from_parts(self.metadata()?, Extensions::default(), message);
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

    fn metadata(&self) -> Result<MetadataMap> {
        let mut headers = HeaderMap::new();
        self.mark.put(&mut headers);
        if let Some(sign) = &self.signer {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", sign()?));
            headers.insert(header::AUTHORIZATION, bearer.map_err(Error::internal)?);
        }
        Ok(MetadataMap::from_headers(headers))
    }
}

/// For the caller when nobody owned the lane for too long.
pub(super) fn unowned() -> Error {
    Error::new(Code::Fenced, "nobody owns these matches for the moment; send the events again")
        .with_retry_after(Duration::from_secs(1))
}
