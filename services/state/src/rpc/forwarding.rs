//! Writes that belong to another instance are forwarded to it.

mod routed;
mod updater;

use std::sync::Arc;

use gamemesh_domain::Code;
use gamemesh_ownership::{
    CallContext, Delivery, ForwardContext, Forwarder, LaneGuard, RetrySafety, Route, is_forwarded,
    outcome_unknown,
};
use gamemesh_repository::Lane;
use gamemesh_rpc::error::to_status;
use gamemesh_rpc::peer::Peer;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

pub(super) use self::routed::RoutedRequest;
pub(super) use self::updater::{Forwarding, Updater};
use crate::convert::refusal::of_status;
use crate::engine::Engine;

/// Forwards writes to the owners of their lanes.
pub(crate) struct WriteForwarder {
    engine: Arc<Engine>,
    forwarder: Forwarder,
}

/// What becomes of a write that has come in.
pub(super) enum Write<M: RoutedRequest> {
    Here(Request<M>, LaneGuard),
    Answered(Result<Response<M::Answer>, Status>),
}

impl WriteForwarder {
    pub(crate) fn new(engine: Arc<Engine>, forwarder: Forwarder) -> Self {
        Self { engine, forwarder }
    }

    /// What the parts of a call need to be forwarded, each to its owner.
    fn context(&self, metadata: &MetadataMap, extensions: &Extensions) -> ForwardContext {
        self.forwarder.context(metadata, extensions)
    }

    /// Forwards a write if it belongs elsewhere.
    pub(super) async fn write<M: RoutedRequest>(&self, request: Request<M>) -> Write<M> {
        // What names no lane is refused, here as anywhere.
        let lane = self.lowest_lane(request.get_ref()).unwrap_or(Lane(0));
        let peer = match self.forwarder.route(lane, is_forwarded(request.metadata())).await {
            Route::Here(guard) => return Write::Here(request, guard),
            Route::There(peer) => peer,
        };
        let ForwardContext { call, .. } = self.context(request.metadata(), request.extensions());
        match self.deliver(&peer, &call, request.get_ref()).await {
            Delivery::Answered(answer) => Write::Answered(answer),
            Delivery::NotDone => Write::Here(request, self.forwarder.enter(lane)),
            Delivery::Unknown => Write::Answered(Err(to_status(&outcome_unknown()))),
        }
    }

    /// A write over several lanes belongs to the owner of the lowest.
    fn lowest_lane(&self, message: &impl RoutedRequest) -> Option<Lane> {
        let lanes = self.forwarder.ownership().lanes();
        message.streams().iter().map(|stream| stream.lane(lanes)).min()
    }

    async fn deliver<M: RoutedRequest>(
        &self,
        peer: &Arc<Peer>,
        call: &CallContext,
        message: &M,
    ) -> Delivery<M::Answer> {
        let retry = RetrySafety {
            is_recognised: message.is_recognised(call.has_key()),
            // A type that was declared here a moment ago may not be known there yet.
            is_unknown_there: |refusal| of_status(refusal).reason == Code::UnknownType.reason(),
        };
        let delivery = self.forwarder.deliver(peer, call, message.clone(), retry, M::send).await;
        if let Delivery::Answered(Ok(response)) = &delivery {
            self.remember(message, response.get_ref());
        }
        delivery
    }

    /// A caller that is answered here reads its own write here.
    fn remember<M: RoutedRequest>(&self, message: &M, answer: &M::Answer) {
        for (stream, (version, token)) in message.streams().iter().zip(M::written(answer)) {
            if let Ok(version) = u64::try_from(version) {
                self.engine.documents.cache.raise_floor(stream, version);
            }
            if let Ok(cut) = self.engine.documents.read_cut(token) {
                self.engine.documents.feed.raise_watermarks(&cut);
            }
        }
    }
}
