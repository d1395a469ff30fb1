//! Forwards calls to the owners of their lanes, and brings the answers back as they are.
//!
//! A call is forwarded once: whoever receives it works on it, wherever it belongs. Where the owner cannot
//! be called, or its answer was lost and a second try is recognised as one, the call is worked on here. If
//! it may have been done and a second try would not be recognised, the caller is told that the outcome is
//! not known.

use std::sync::Arc;

use gamemesh_domain::Error;
use gamemesh_repository::{Lane, LogError};
use gamemesh_rpc::deadline;
use gamemesh_rpc::error::to_status;
use gamemesh_rpc::forward::{FORWARDED_HEADER, Mark};
use gamemesh_rpc::peer::{DeliveryFailure, Peer};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Extensions, Request, Response, Status};

use crate::call_context::bare;
use crate::{CallContext, LaneGuard, Ownership, Route};

/// Forwards calls to the owners of lanes.
pub struct Forwarder {
    ownership: Arc<Ownership>,
    mark: Mark,
}

/// What the parts of one call need to be forwarded, each to its owner.
pub struct ForwardContext {
    pub call: CallContext,
    /// Another instance has forwarded it, so it is worked on here.
    pub is_forwarded: bool,
}

/// When a call that failed there may be worked on here.
pub struct RetrySafety {
    /// A second try is recognised as one, so it does no harm after a first whose answer was lost.
    pub is_recognised: bool,
    /// Whether a refusal only says that the owner does not know yet what this instance knows.
    pub is_unknown_there: fn(&Status) -> bool,
}

/// What came of a call that was forwarded.
pub enum Delivery<A> {
    Answered(Result<Response<A>, Status>),
    /// It was not done, or a second try is recognised as one.
    NotDone,
    /// It may have been done, and a second try would do it again.
    Unknown,
}

/// What came of looking for the owner of a call.
pub enum Forwarded<M, A> {
    /// It is worked on here: this instance owns the lane, was called by another one, or cannot call the owner.
    Here(Request<M>),
    Answered(Result<Response<A>, Status>),
}

impl Forwarder {
    pub fn new(ownership: Arc<Ownership>, mark: Mark) -> Self {
        Self { ownership, mark }
    }

    pub fn ownership(&self) -> &Arc<Ownership> {
        &self.ownership
    }

    pub fn call(&self, metadata: &MetadataMap, extensions: &Extensions) -> CallContext {
        CallContext::of(metadata, extensions, &self.mark)
    }

    pub fn context(&self, metadata: &MetadataMap, extensions: &Extensions) -> ForwardContext {
        let call = self.call(metadata, extensions);
        ForwardContext { call, is_forwarded: is_forwarded(metadata) }
    }

    /// Where a call belongs that writes to this lane first.
    pub async fn route(&self, lane: Lane, is_forwarded: bool) -> Route {
        if is_forwarded {
            return Route::Here(self.enter(lane));
        }
        self.ownership.route(lane).await
    }

    /// Counts a call as in flight here, wherever it belongs.
    pub fn enter(&self, lane: Lane) -> LaneGuard {
        self.ownership.enter(lane)
    }

    /// Sends a call to the owner of a lane, if that is another instance. `is_recognised`: a second call does
    /// no harm after a first whose answer was lost.
    pub async fn forward<M, A, F>(
        &self,
        lane: Lane,
        request: Request<M>,
        is_recognised: bool,
        send: impl FnOnce(Channel, Request<M>) -> F,
    ) -> Forwarded<M, A>
    where
        M: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let ForwardContext { call, is_forwarded } =
            self.context(request.metadata(), request.extensions());
        let Route::There(peer) = self.route(lane, is_forwarded).await else {
            return Forwarded::Here(request);
        };
        let retry = RetrySafety { is_recognised, is_unknown_there: |_| false };
        let message = request.get_ref().clone();
        match self.deliver(&peer, &call, message, retry, send).await {
            Delivery::Answered(answer) => Forwarded::Answered(answer),
            Delivery::NotDone => Forwarded::Here(request),
            Delivery::Unknown => Forwarded::Answered(Err(to_status(&outcome_unknown()))),
        }
    }

    /// Sends a call to its owner.
    pub async fn deliver<M, A, F>(
        &self,
        peer: &Arc<Peer>,
        call: &CallContext,
        message: M,
        retry: RetrySafety,
        send: impl FnOnce(Channel, Request<M>) -> F,
    ) -> Delivery<A>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let metrics = &self.ownership.metrics;
        let Some(channel) = peer.channel() else { return Delivery::NotDone };
        let status = match send(channel, call.request(message)).await {
            Ok(response) => {
                metrics.forwarded("answered");
                return Delivery::Answered(Ok(bare(response)));
            }
            Err(status) => status,
        };
        let Some(failure) = DeliveryFailure::of(&status) else {
            if (retry.is_unknown_there)(&status) {
                metrics.forwarded("unknown_type");
                return Delivery::NotDone;
            }
            metrics.forwarded("refused");
            let (code, details) = (status.code(), status.details().to_vec());
            let refusal = Status::with_details(code, status.message(), details.into());
            return Delivery::Answered(Err(refusal));
        };
        if call.is_late() {
            metrics.forwarded("late");
            return Delivery::Answered(Err(to_status(&deadline::exceeded())));
        }
        tracing::debug!(peer = peer.address(), %status, ?failure, "a call that was forwarded");
        peer.lost();
        match failure {
            DeliveryFailure::NotSent => {
                metrics.forwarded("not_sent");
                Delivery::NotDone
            }
            DeliveryFailure::Lost if retry.is_recognised => {
                metrics.forwarded("repeated");
                Delivery::NotDone
            }
            DeliveryFailure::Lost => {
                metrics.forwarded("unknown");
                Delivery::Unknown
            }
        }
    }
}

/// Whether another instance has forwarded this call.
pub fn is_forwarded(metadata: &MetadataMap) -> bool {
    metadata.contains_key(FORWARDED_HEADER.as_str())
}

/// The answer to a call whose answer was lost.
pub fn outcome_unknown() -> Error {
    LogError::Unresolved("the instance that owns the lane did not answer".to_owned()).into()
}
