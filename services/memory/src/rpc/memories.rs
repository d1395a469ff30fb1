//! What NPCs remember.

mod apply_budget;
mod batch_store_memories;
mod count_memories;
mod erase_subject;
mod forget_memory;
mod get_collection;
mod get_memory;
mod list_collections;
mod list_memories;
mod merge_memories;
mod put_collection;
mod recall;
mod reembed_collection;
mod restore_memory;
mod store_memory;
mod update_memory;
mod watch_reflections;

use std::sync::Arc;

use futures::StreamExt as _;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::stack::Endless;
use pb::memory_service_server::MemoryService;
use tonic::{Request, Response, Status};

use super::{AnswerStream, call, stream};
use crate::engine::Engine;

/// The gRPC service.
pub(crate) struct MemoryRpc {
    engine: Arc<Engine>,
    lifecycle: Lifecycle,
}

impl MemoryRpc {
    pub(crate) const fn new(engine: Arc<Engine>, lifecycle: Lifecycle) -> Self {
        Self { engine, lifecycle }
    }
}

#[tonic::async_trait]
impl MemoryService for MemoryRpc {
    async fn put_collection(
        &self,
        request: Request<pb::PutCollectionRequest>,
    ) -> Result<Response<pb::PutCollectionResponse>, Status> {
        call(&self.engine, request, put_collection::handle).await
    }

    async fn get_collection(
        &self,
        request: Request<pb::GetCollectionRequest>,
    ) -> Result<Response<pb::GetCollectionResponse>, Status> {
        call(&self.engine, request, get_collection::handle).await
    }

    async fn list_collections(
        &self,
        request: Request<pb::ListCollectionsRequest>,
    ) -> Result<Response<pb::ListCollectionsResponse>, Status> {
        call(&self.engine, request, list_collections::handle).await
    }

    async fn reembed_collection(
        &self,
        request: Request<pb::ReembedCollectionRequest>,
    ) -> Result<Response<pb::ReembedCollectionResponse>, Status> {
        call(&self.engine, request, reembed_collection::handle).await
    }

    async fn store_memory(
        &self,
        request: Request<pb::StoreMemoryRequest>,
    ) -> Result<Response<pb::StoreMemoryResponse>, Status> {
        call(&self.engine, request, store_memory::handle).await
    }

    async fn batch_store_memories(
        &self,
        request: Request<pb::BatchStoreMemoriesRequest>,
    ) -> Result<Response<pb::BatchStoreMemoriesResponse>, Status> {
        call(&self.engine, request, batch_store_memories::handle).await
    }

    async fn get_memory(
        &self,
        request: Request<pb::GetMemoryRequest>,
    ) -> Result<Response<pb::GetMemoryResponse>, Status> {
        call(&self.engine, request, get_memory::handle).await
    }

    async fn list_memories(
        &self,
        request: Request<pb::ListMemoriesRequest>,
    ) -> Result<Response<pb::ListMemoriesResponse>, Status> {
        call(&self.engine, request, list_memories::handle).await
    }

    async fn count_memories(
        &self,
        request: Request<pb::CountMemoriesRequest>,
    ) -> Result<Response<pb::CountMemoriesResponse>, Status> {
        call(&self.engine, request, count_memories::handle).await
    }

    async fn update_memory(
        &self,
        request: Request<pb::UpdateMemoryRequest>,
    ) -> Result<Response<pb::UpdateMemoryResponse>, Status> {
        call(&self.engine, request, update_memory::handle).await
    }

    async fn forget_memory(
        &self,
        request: Request<pb::ForgetMemoryRequest>,
    ) -> Result<Response<pb::ForgetMemoryResponse>, Status> {
        call(&self.engine, request, forget_memory::handle).await
    }

    async fn restore_memory(
        &self,
        request: Request<pb::RestoreMemoryRequest>,
    ) -> Result<Response<pb::RestoreMemoryResponse>, Status> {
        call(&self.engine, request, restore_memory::handle).await
    }

    async fn recall(
        &self,
        request: Request<pb::RecallRequest>,
    ) -> Result<Response<pb::RecallResponse>, Status> {
        call(&self.engine, request, recall::handle).await
    }

    async fn merge_memories(
        &self,
        request: Request<pb::MergeMemoriesRequest>,
    ) -> Result<Response<pb::MergeMemoriesResponse>, Status> {
        call(&self.engine, request, merge_memories::handle).await
    }

    async fn apply_budget(
        &self,
        request: Request<pb::ApplyBudgetRequest>,
    ) -> Result<Response<pb::ApplyBudgetResponse>, Status> {
        call(&self.engine, request, apply_budget::handle).await
    }

    async fn erase_subject(
        &self,
        request: Request<pb::EraseSubjectRequest>,
    ) -> Result<Response<pb::EraseSubjectResponse>, Status> {
        call(&self.engine, request, erase_subject::handle).await
    }

    type WatchReflectionsStream = AnswerStream<pb::WatchReflectionsResponse>;

    async fn watch_reflections(
        &self,
        request: Request<pb::WatchReflectionsRequest>,
    ) -> Result<Response<AnswerStream<pb::WatchReflectionsResponse>>, Status> {
        let response = stream(&self.engine, request, watch_reflections::handle)?;
        // A watcher whom the server ends when it drains goes on elsewhere.
        let draining = self.lifecycle.draining().clone();
        let mut response = response
            .map(|watch| Box::pin(watch.take_until(draining.cancelled_owned())) as AnswerStream<_>);
        response.extensions_mut().insert(Endless);
        Ok(response)
    }
}
