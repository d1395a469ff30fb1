//! The RPCs, one file each. Here is what they share: parsing the caller, forwarding, answering.

mod answer;
mod append_events;
mod batch_get_aggregates;
mod batch_update_aggregates;
mod create_aggregate;
mod delete_aggregate;
mod diff_aggregate;
pub(crate) mod forwarding;
mod get_aggregate;
mod get_analytics;
mod get_global;
mod get_match;
mod get_player;
mod get_type;
mod list_aggregates;
mod list_events;
mod list_types;
mod parse;
mod put_match;
mod put_player;
mod register_type;
mod replay_aggregate;
mod rollback_aggregate;
mod stream_updates;
mod sync_global;
mod sync_player;
mod transact;
mod update_aggregate;
mod watch_aggregates;

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;
use gamemesh_rpc::error::to_status;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::stack::Endless;
use pb::state_service_server::StateService;
use tonic::{Request, Response, Status, Streaming};

use self::answer::Answer;
use self::forwarding::{Forwarding, RoutedRequest, Updater, Write, WriteForwarder};
use crate::engine::Engine;

/// The gRPC service.
pub(crate) struct StateRpc {
    engine: Arc<Engine>,
    /// Absent where every lane is written here.
    forwarder: Option<Arc<WriteForwarder>>,
    lifecycle: Lifecycle,
}

type AnswerStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl StateRpc {
    pub(crate) fn new(
        engine: Arc<Engine>,
        forwarder: Option<Arc<WriteForwarder>>,
        lifecycle: Lifecycle,
    ) -> Self {
        Self { engine, forwarder, lifecycle }
    }

    /// A call that writes, which may belong to another instance.
    async fn write<M, F>(
        &self,
        request: Request<M>,
        handle: impl FnOnce(Arc<Engine>, Caller, M) -> F,
    ) -> Result<Response<M::Answer>, Status>
    where
        M: RoutedRequest,
        F: Future<Output = Result<Answer<M::Answer>>>,
    {
        let Some(forwarder) = &self.forwarder else { return self.call(request, handle).await };
        match forwarder.write(request).await {
            Write::Here(request, _guard) => self.call(request, handle).await,
            Write::Answered(answer) => answer,
        }
    }

    /// How a call of several writes is forwarded.
    fn forwarding<M>(&self, request: &Request<M>) -> Option<Forwarding> {
        Some(Forwarding::new(self.forwarder.as_ref()?, request))
    }

    async fn call<M, R, F>(
        &self,
        request: Request<M>,
        handle: impl FnOnce(Arc<Engine>, Caller, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<Answer<R>>>,
    {
        let (metadata, extensions, message) = request.into_parts();
        let caller = Caller::of(&metadata, &extensions).map_err(|error| to_status(&error))?;
        let over_rest = caller.over_rest;
        match handle(self.engine.clone(), caller, message).await {
            Ok(answer) => Ok(answer.into_response(over_rest)),
            Err(error) => {
                self.engine.refused(&error);
                Err(to_status(&error))
            }
        }
    }

    fn stream<M, R: 'static, S>(
        &self,
        request: Request<M>,
        handle: impl FnOnce(Arc<Engine>, &Caller, M) -> Result<S>,
    ) -> Result<Response<AnswerStream<R>>, Status>
    where
        S: Stream<Item = Result<R>> + Send + 'static,
    {
        let (metadata, extensions, message) = request.into_parts();
        let stream = Caller::of(&metadata, &extensions)
            .and_then(|caller| handle(self.engine.clone(), &caller, message))
            .map_err(|error| to_status(&error))?;
        Ok(Response::new(Box::pin(stream.map(|item| item.map_err(|error| to_status(&error))))))
    }
}

#[tonic::async_trait]
impl StateService for StateRpc {
    async fn get_player(
        &self,
        request: Request<pb::GetPlayerRequest>,
    ) -> Result<Response<pb::GetPlayerResponse>, Status> {
        self.call(request, get_player::handle).await
    }

    async fn put_player(
        &self,
        request: Request<pb::PutPlayerRequest>,
    ) -> Result<Response<pb::PutPlayerResponse>, Status> {
        self.write(request, put_player::handle).await
    }

    async fn sync_player(
        &self,
        request: Request<pb::SyncPlayerRequest>,
    ) -> Result<Response<pb::SyncPlayerResponse>, Status> {
        self.write(request, sync_player::handle).await
    }

    async fn get_match(
        &self,
        request: Request<pb::GetMatchRequest>,
    ) -> Result<Response<pb::GetMatchResponse>, Status> {
        self.call(request, get_match::handle).await
    }

    async fn put_match(
        &self,
        request: Request<pb::PutMatchRequest>,
    ) -> Result<Response<pb::PutMatchResponse>, Status> {
        self.write(request, put_match::handle).await
    }

    async fn get_global(
        &self,
        request: Request<pb::GetGlobalRequest>,
    ) -> Result<Response<pb::GetGlobalResponse>, Status> {
        self.call(request, get_global::handle).await
    }

    async fn sync_global(
        &self,
        request: Request<pb::SyncGlobalRequest>,
    ) -> Result<Response<pb::SyncGlobalResponse>, Status> {
        self.call(request, sync_global::handle).await
    }

    async fn create_aggregate(
        &self,
        request: Request<pb::CreateAggregateRequest>,
    ) -> Result<Response<pb::CreateAggregateResponse>, Status> {
        self.write(request, create_aggregate::handle).await
    }

    async fn get_aggregate(
        &self,
        request: Request<pb::GetAggregateRequest>,
    ) -> Result<Response<pb::GetAggregateResponse>, Status> {
        self.call(request, get_aggregate::handle).await
    }

    async fn batch_get_aggregates(
        &self,
        request: Request<pb::BatchGetAggregatesRequest>,
    ) -> Result<Response<pb::BatchGetAggregatesResponse>, Status> {
        self.call(request, batch_get_aggregates::handle).await
    }

    async fn update_aggregate(
        &self,
        request: Request<pb::UpdateAggregateRequest>,
    ) -> Result<Response<pb::UpdateAggregateResponse>, Status> {
        self.write(request, update_aggregate::handle).await
    }

    async fn batch_update_aggregates(
        &self,
        request: Request<pb::BatchUpdateAggregatesRequest>,
    ) -> Result<Response<pb::BatchUpdateAggregatesResponse>, Status> {
        let forwarding = self.forwarding(&request);
        self.call(request, |engine, caller, request| {
            batch_update_aggregates::handle(Updater::new(engine, caller, forwarding), request)
        })
        .await
    }

    async fn delete_aggregate(
        &self,
        request: Request<pb::DeleteAggregateRequest>,
    ) -> Result<Response<pb::DeleteAggregateResponse>, Status> {
        self.write(request, delete_aggregate::handle).await
    }

    async fn list_aggregates(
        &self,
        request: Request<pb::ListAggregatesRequest>,
    ) -> Result<Response<pb::ListAggregatesResponse>, Status> {
        self.call(request, list_aggregates::handle).await
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        self.call(request, list_events::handle).await
    }

    async fn append_events(
        &self,
        request: Request<pb::AppendEventsRequest>,
    ) -> Result<Response<pb::AppendEventsResponse>, Status> {
        self.write(request, append_events::handle).await
    }

    async fn diff_aggregate(
        &self,
        request: Request<pb::DiffAggregateRequest>,
    ) -> Result<Response<pb::DiffAggregateResponse>, Status> {
        self.call(request, diff_aggregate::handle).await
    }

    async fn rollback_aggregate(
        &self,
        request: Request<pb::RollbackAggregateRequest>,
    ) -> Result<Response<pb::RollbackAggregateResponse>, Status> {
        self.write(request, rollback_aggregate::handle).await
    }

    async fn transact(
        &self,
        request: Request<pb::TransactRequest>,
    ) -> Result<Response<pb::TransactResponse>, Status> {
        self.write(request, transact::handle).await
    }

    async fn register_type(
        &self,
        request: Request<pb::RegisterTypeRequest>,
    ) -> Result<Response<pb::RegisterTypeResponse>, Status> {
        self.call(request, register_type::handle).await
    }

    async fn get_type(
        &self,
        request: Request<pb::GetTypeRequest>,
    ) -> Result<Response<pb::GetTypeResponse>, Status> {
        self.call(request, get_type::handle).await
    }

    async fn list_types(
        &self,
        request: Request<pb::ListTypesRequest>,
    ) -> Result<Response<pb::ListTypesResponse>, Status> {
        self.call(request, list_types::handle).await
    }

    async fn get_analytics(
        &self,
        request: Request<pb::GetAnalyticsRequest>,
    ) -> Result<Response<pb::GetAnalyticsResponse>, Status> {
        self.call(request, get_analytics::handle).await
    }

    type ReplayAggregateStream = AnswerStream<pb::ReplayAggregateResponse>;

    async fn replay_aggregate(
        &self,
        request: Request<pb::ReplayAggregateRequest>,
    ) -> Result<Response<Self::ReplayAggregateStream>, Status> {
        self.stream(request, replay_aggregate::handle)
    }

    type WatchAggregatesStream = AnswerStream<pb::WatchAggregatesResponse>;

    async fn watch_aggregates(
        &self,
        request: Request<pb::WatchAggregatesRequest>,
    ) -> Result<Response<Self::WatchAggregatesStream>, Status> {
        let mut response = self.stream(request, watch_aggregates::handle)?;
        response.extensions_mut().insert(Endless);
        Ok(response)
    }

    type StreamUpdatesStream = AnswerStream<pb::StreamUpdatesResponse>;

    async fn stream_updates(
        &self,
        request: Request<Streaming<pb::StreamUpdatesRequest>>,
    ) -> Result<Response<Self::StreamUpdatesStream>, Status> {
        let forwarding = self.forwarding(&request);
        let draining = self.lifecycle.draining().clone();
        self.stream(request, move |engine, caller, requests| {
            let updater = Updater::new(engine, caller.clone(), forwarding);
            updater.check_headers()?;
            Ok(stream_updates::handle(updater, requests, draining))
        })
    }
}
