//! Calls that belong to another instance go there, and their answers come back as they are.
//!
//! A call is passed on once: the one who receives it works on it wherever it belongs. Where nobody
//! can be asked, or his answer was lost and a second try is recognised as one, the call is worked on
//! here. What may have been done and would not be recognised is told as it is: not known.

mod origin;
mod routed;
mod updater;

use std::sync::Arc;

use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use gamemesh_domain::{Code, Error};
use gamemesh_repository::{Lane, LogError};
use gamemesh_rpc::deadline;
use gamemesh_rpc::error::to_status;
use gamemesh_rpc::forward::{FORWARDED_HEADER, Mark};
use gamemesh_rpc::peer::{Missed, Peer};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

use self::origin::{Origin, bare};
pub(super) use self::routed::Routed;
pub(super) use self::updater::Updater;
use super::parse;
use crate::RESPONSE_BYTES_MAX;
use crate::convert::refusal::of_status;
use crate::engine::Engine;
use crate::lanes::{AtWork, Lanes, Route};

/// Passes calls on to the owners of lanes.
pub(crate) struct Onward {
    engine: Arc<Engine>,
    lanes: Arc<Lanes>,
    mark: Mark,
}

/// The way to other instances that one call has.
pub(super) struct Way {
    onward: Arc<Onward>,
    origin: Origin,
    is_marked: bool,
}

/// A write on its way in.
pub(super) enum Write<M: Routed> {
    Here(Request<M>, AtWork),
    Answered(Result<Response<M::Answer>, Status>),
}

/// What came of a call that was passed on.
enum Sent<A> {
    Answered(Result<Response<A>, Status>),
    /// It was not done, or a second try is recognised as one.
    NotDone,
    /// It may have been done, and a second try would do it again.
    Unknown,
}

impl Onward {
    pub(crate) fn new(engine: Arc<Engine>, lanes: Arc<Lanes>, mark: Mark) -> Self {
        Self { engine, lanes, mark }
    }

    /// The way that the parts of a call go.
    pub(super) fn way(self: &Arc<Self>, metadata: &MetadataMap, extensions: &Extensions) -> Way {
        let origin = Origin::of(metadata, extensions, &self.mark);
        Way { onward: self.clone(), origin, is_marked: is_marked(metadata) }
    }

    /// Passes a write on if it belongs elsewhere.
    pub(super) async fn write<M: Routed>(&self, request: Request<M>) -> Write<M> {
        // What names no lane is refused, here as anywhere.
        let lane = self.lowest_lane(request.get_ref()).unwrap_or(Lane(0));
        let peer = match self.route(lane, is_marked(request.metadata())).await {
            Route::Here(at_work) => return Write::Here(request, at_work),
            Route::There(peer) => peer,
        };
        let origin = Origin::of(request.metadata(), request.extensions(), &self.mark);
        match self.send(&peer, &origin, request.get_ref()).await {
            Sent::Answered(answer) => Write::Answered(answer),
            Sent::NotDone => Write::Here(request, self.lanes.enter(lane)),
            Sent::Unknown => Write::Answered(Err(to_status(&unknown()))),
        }
    }

    /// Where a call belongs that writes to this lane first.
    async fn route(&self, lane: Lane, is_marked: bool) -> Route {
        if is_marked {
            return Route::Here(self.lanes.enter(lane));
        }
        self.lanes.route(lane).await
    }

    /// A write over several lanes belongs to the owner of the lowest.
    fn lowest_lane(&self, message: &impl Routed) -> Option<Lane> {
        let lanes = self.lanes.count();
        message.streams().iter().map(|stream| stream.lane(lanes)).min()
    }

    async fn send<M: Routed>(
        &self,
        peer: &Arc<Peer>,
        origin: &Origin,
        message: &M,
    ) -> Sent<M::Answer> {
        let Some(channel) = peer.channel() else { return Sent::NotDone };
        let client = StateServiceClient::new(channel).max_decoding_message_size(RESPONSE_BYTES_MAX);
        let status = match M::send(client, origin.request(message.clone())).await {
            Ok(response) => {
                self.lanes.metrics.passed_on("answered");
                self.heard(message, response.get_ref());
                return Sent::Answered(Ok(bare(response)));
            }
            Err(status) => status,
        };
        let Some(missed) = Missed::of(&status) else {
            // A type that was declared here a moment ago may not be known there yet.
            if of_status(&status).reason == Code::UnknownType.reason() {
                self.lanes.metrics.passed_on("unknown_type");
                return Sent::NotDone;
            }
            self.lanes.metrics.passed_on("refused");
            let (code, details) = (status.code(), status.details().to_vec());
            return Sent::Answered(Err(Status::with_details(
                code,
                status.message(),
                details.into(),
            )));
        };
        if origin.is_late() {
            self.lanes.metrics.passed_on("late");
            return Sent::Answered(Err(to_status(&deadline::exceeded())));
        }
        tracing::debug!(peer = peer.address(), %status, ?missed, "a call that was passed on");
        peer.lost();
        match missed {
            Missed::NotSent => {
                self.lanes.metrics.passed_on("not_sent");
                Sent::NotDone
            }
            Missed::Lost if message.is_recognised(origin.has_key()) => {
                self.lanes.metrics.passed_on("repeated");
                Sent::NotDone
            }
            Missed::Lost => {
                self.lanes.metrics.passed_on("unknown");
                Sent::Unknown
            }
        }
    }

    /// Whoever is answered here reads here what he has written.
    fn heard<M: Routed>(&self, message: &M, answer: &M::Answer) {
        for (stream, (version, token)) in message.streams().iter().zip(M::written(answer)) {
            if let Ok(version) = u64::try_from(version) {
                self.engine.cache.raise_floor(stream, version);
            }
            if let Ok(cut) = parse::read_cut(&self.engine, token) {
                self.engine.heard(&cut);
            }
        }
    }
}

fn is_marked(metadata: &MetadataMap) -> bool {
    metadata.contains_key(FORWARDED_HEADER.as_str())
}

/// The answer to a call of which the answer was lost.
fn unknown() -> Error {
    LogError::Unresolved("the instance that owns the lane did not answer".to_owned()).into()
}
