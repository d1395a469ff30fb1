//! Streams of events.

mod append_events;
mod read_stream;
mod replay_to_sequence;
mod rollback_to;

use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use pb::event_service_server::EventService;
use tonic::{Request, Response, Status};

use super::{AnswerStream, call, stream};
use crate::game::Game;

/// The gRPC service.
pub(crate) struct EventRpc {
    game: Arc<Game>,
}

impl EventRpc {
    pub(crate) const fn new(game: Arc<Game>) -> Self {
        Self { game }
    }
}

#[tonic::async_trait]
impl EventService for EventRpc {
    async fn append_events(
        &self,
        request: Request<pb::AppendEventsRequest>,
    ) -> Result<Response<pb::AppendEventsResponse>, Status> {
        call(&self.game, request, append_events::handle).await
    }

    async fn read_stream(
        &self,
        request: Request<pb::ReadStreamRequest>,
    ) -> Result<Response<pb::ReadStreamResponse>, Status> {
        call(&self.game, request, read_stream::handle).await
    }

    async fn rollback_to(
        &self,
        request: Request<pb::RollbackToRequest>,
    ) -> Result<Response<pb::RollbackToResponse>, Status> {
        call(&self.game, request, rollback_to::handle).await
    }

    type ReplayToSequenceStream = AnswerStream<pb::ReplayToSequenceResponse>;

    async fn replay_to_sequence(
        &self,
        request: Request<pb::ReplayToSequenceRequest>,
    ) -> Result<Response<AnswerStream<pb::ReplayToSequenceResponse>>, Status> {
        stream(&self.game, request, replay_to_sequence::handle)
    }
}
