//! What the world is and what was done in it.

mod advance_plot;
mod append_history;
mod batch_append_history;
mod batch_get_entities;
mod batch_put_entities;
mod declare_plot;
mod declare_world;
mod delete_entity;
mod detach_history_partition;
mod get_entity;
mod get_plot;
mod get_world;
mod list_entities;
mod list_entity_history;
mod list_history;
mod list_history_partitions;
mod list_plots;
mod patch_entity;
mod put_entity;
mod rollback_plot;
mod update_world;
mod watch_entities;

use std::sync::Arc;

use futures::StreamExt as _;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::stack::Endless;
use pb::game_state_service_server::GameStateService;
use tonic::{Request, Response, Status};

use super::{AnswerStream, call, stream};
use crate::game::Game;

/// The gRPC service.
pub(crate) struct GameStateRpc {
    game: Arc<Game>,
    lifecycle: Lifecycle,
}

impl GameStateRpc {
    pub(crate) const fn new(game: Arc<Game>, lifecycle: Lifecycle) -> Self {
        Self { game, lifecycle }
    }
}

#[tonic::async_trait]
impl GameStateService for GameStateRpc {
    async fn put_entity(
        &self,
        request: Request<pb::PutEntityRequest>,
    ) -> Result<Response<pb::PutEntityResponse>, Status> {
        call(&self.game, request, put_entity::handle).await
    }

    async fn get_entity(
        &self,
        request: Request<pb::GetEntityRequest>,
    ) -> Result<Response<pb::GetEntityResponse>, Status> {
        call(&self.game, request, get_entity::handle).await
    }

    async fn patch_entity(
        &self,
        request: Request<pb::PatchEntityRequest>,
    ) -> Result<Response<pb::PatchEntityResponse>, Status> {
        call(&self.game, request, patch_entity::handle).await
    }

    async fn delete_entity(
        &self,
        request: Request<pb::DeleteEntityRequest>,
    ) -> Result<Response<pb::DeleteEntityResponse>, Status> {
        call(&self.game, request, delete_entity::handle).await
    }

    async fn list_entities(
        &self,
        request: Request<pb::ListEntitiesRequest>,
    ) -> Result<Response<pb::ListEntitiesResponse>, Status> {
        call(&self.game, request, list_entities::handle).await
    }

    async fn batch_get_entities(
        &self,
        request: Request<pb::BatchGetEntitiesRequest>,
    ) -> Result<Response<pb::BatchGetEntitiesResponse>, Status> {
        call(&self.game, request, batch_get_entities::handle).await
    }

    async fn batch_put_entities(
        &self,
        request: Request<pb::BatchPutEntitiesRequest>,
    ) -> Result<Response<pb::BatchPutEntitiesResponse>, Status> {
        call(&self.game, request, batch_put_entities::handle).await
    }

    async fn list_entity_history(
        &self,
        request: Request<pb::ListEntityHistoryRequest>,
    ) -> Result<Response<pb::ListEntityHistoryResponse>, Status> {
        call(&self.game, request, list_entity_history::handle).await
    }

    async fn declare_world(
        &self,
        request: Request<pb::DeclareWorldRequest>,
    ) -> Result<Response<pb::DeclareWorldResponse>, Status> {
        call(&self.game, request, declare_world::handle).await
    }

    async fn get_world(
        &self,
        request: Request<pb::GetWorldRequest>,
    ) -> Result<Response<pb::GetWorldResponse>, Status> {
        call(&self.game, request, get_world::handle).await
    }

    async fn update_world(
        &self,
        request: Request<pb::UpdateWorldRequest>,
    ) -> Result<Response<pb::UpdateWorldResponse>, Status> {
        call(&self.game, request, update_world::handle).await
    }

    async fn declare_plot(
        &self,
        request: Request<pb::DeclarePlotRequest>,
    ) -> Result<Response<pb::DeclarePlotResponse>, Status> {
        call(&self.game, request, declare_plot::handle).await
    }

    async fn get_plot(
        &self,
        request: Request<pb::GetPlotRequest>,
    ) -> Result<Response<pb::GetPlotResponse>, Status> {
        call(&self.game, request, get_plot::handle).await
    }

    async fn list_plots(
        &self,
        request: Request<pb::ListPlotsRequest>,
    ) -> Result<Response<pb::ListPlotsResponse>, Status> {
        call(&self.game, request, list_plots::handle).await
    }

    async fn advance_plot(
        &self,
        request: Request<pb::AdvancePlotRequest>,
    ) -> Result<Response<pb::AdvancePlotResponse>, Status> {
        call(&self.game, request, advance_plot::handle).await
    }

    async fn rollback_plot(
        &self,
        request: Request<pb::RollbackPlotRequest>,
    ) -> Result<Response<pb::RollbackPlotResponse>, Status> {
        call(&self.game, request, rollback_plot::handle).await
    }

    async fn append_history(
        &self,
        request: Request<pb::AppendHistoryRequest>,
    ) -> Result<Response<pb::AppendHistoryResponse>, Status> {
        call(&self.game, request, append_history::handle).await
    }

    async fn batch_append_history(
        &self,
        request: Request<pb::BatchAppendHistoryRequest>,
    ) -> Result<Response<pb::BatchAppendHistoryResponse>, Status> {
        call(&self.game, request, batch_append_history::handle).await
    }

    async fn list_history(
        &self,
        request: Request<pb::ListHistoryRequest>,
    ) -> Result<Response<pb::ListHistoryResponse>, Status> {
        call(&self.game, request, list_history::handle).await
    }

    async fn list_history_partitions(
        &self,
        request: Request<pb::ListHistoryPartitionsRequest>,
    ) -> Result<Response<pb::ListHistoryPartitionsResponse>, Status> {
        call(&self.game, request, list_history_partitions::handle).await
    }

    async fn detach_history_partition(
        &self,
        request: Request<pb::DetachHistoryPartitionRequest>,
    ) -> Result<Response<pb::DetachHistoryPartitionResponse>, Status> {
        call(&self.game, request, detach_history_partition::handle).await
    }

    type WatchEntitiesStream = AnswerStream<pb::WatchEntitiesResponse>;

    async fn watch_entities(
        &self,
        request: Request<pb::WatchEntitiesRequest>,
    ) -> Result<Response<AnswerStream<pb::WatchEntitiesResponse>>, Status> {
        let response = stream(&self.game, request, watch_entities::handle)?;
        // A watcher whom the server ends when it drains goes on elsewhere.
        let draining = self.lifecycle.draining().clone();
        let mut response = response
            .map(|watch| Box::pin(watch.take_until(draining.cancelled_owned())) as AnswerStream<_>);
        response.extensions_mut().insert(Endless);
        Ok(response)
    }
}
