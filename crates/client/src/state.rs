//! The calls of the state service.

use std::sync::Arc;

use futures::Stream;
use futures::future::join_all;
use gamemesh_contracts::state::v1 as pb;
use tonic::metadata::MetadataValue;
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use crate::endpoint::{Target, targets};
use crate::instances::{Instances, hash};
use crate::retry::Budget;
use crate::send::{Shared, Stub};
use crate::session::Session;
use crate::{ClientOptions, Error, Result, Watch};

/// The state service, on one instance or several. Clones share connections, budget and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// Connects to `http://host:port`; the scheme may be left out. Several instances of one service
    /// stand with commas between them.
    pub async fn connect(urls: &str, options: ClientOptions) -> Result<Self> {
        Self::connect_any([urls], options).await
    }

    /// Connects to each of several instances of one service. It is enough that one is there: the
    /// others are called when they are. Fails when none can be reached.
    pub async fn connect_any<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
        options: ClientOptions,
    ) -> Result<Self> {
        let targets = targets(urls, &options)?;
        let connected = join_all(targets.into_iter().map(Target::connect)).await;
        let mut channels = Vec::new();
        let mut away = Vec::new();
        for (at, (url, channel, error)) in connected.into_iter().enumerate() {
            channels.push((url, channel));
            away.extend(error.map(|error| (at, error)));
        }
        if away.len() == channels.len()
            && let Some((_, error)) = away.pop()
        {
            return Err(error);
        }
        let client = Self::over_all(channels, options)?;
        away.iter().for_each(|(at, _)| client.shared.instances.let_rest(*at));
        Ok(client)
    }

    /// As [`Self::connect`], but connections are made by the first calls.
    pub fn lazy(urls: &str, options: ClientOptions) -> Result<Self> {
        let targets = targets([urls], &options)?;
        Self::over_all(targets.into_iter().map(Target::lazy).collect(), options)
    }

    /// Calls over a channel that the caller made.
    pub fn over(channel: Channel, options: ClientOptions) -> Result<Self> {
        Self::over_all(vec![(String::new(), channel)], options)
    }

    fn over_all(channels: Vec<(String, Channel)>, options: ClientOptions) -> Result<Self> {
        let authorization = options
            .token
            .as_ref()
            .map(|token| {
                let mut value = MetadataValue::try_from(format!("Bearer {token}"))?;
                // It is not printed with the client.
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()
            .map_err(|_: InvalidMetadataValue| {
                Error::local(
                    Code::InvalidArgument,
                    "the token has characters that no header can carry",
                )
            })?;
        let instances = Instances::new(channels, options.retry.clone());
        let budget = Budget::full(options.retry.retries_at_once);
        let session = Session::default();
        Ok(Self { shared: Arc::new(Shared { instances, options, authorization, budget, session }) })
    }

    pub fn options(&self) -> &ClientOptions {
        &self.shared.options
    }

    /// Watches changes. The watch resumes by itself after a break, at another instance if there is
    /// one.
    pub fn watch(&self, request: pb::WatchAggregatesRequest) -> Watch {
        Watch::new(self.clone(), request)
    }

    /// Folds a history again, event by event. Not resumed after a break.
    pub async fn replay_aggregate(
        &self,
        request: pb::ReplayAggregateRequest,
    ) -> Result<Streaming<pb::ReplayAggregateResponse>> {
        let place = self.shared.instances.place(Some(hash(&[&request.r#type, &request.id])));
        let send = async |mut stub: Stub, request| stub.replay_aggregate(request).await;
        Ok(self.open(place, request, send).await?.0)
    }

    /// Many updates on one connection. The caller keeps what has not been answered, and sends it
    /// again, under the same idempotency keys, after a break.
    pub async fn stream_updates(
        &self,
        requests: impl Stream<Item = pb::StreamUpdatesRequest> + Send + 'static,
    ) -> Result<Streaming<pb::StreamUpdatesResponse>> {
        let place = self.shared.instances.place(None);
        let send = async |mut stub: Stub, requests| stub.stream_updates(requests).await;
        Ok(self.open(place, requests, send).await?.0)
    }
}

macro_rules! calls {
    ($($(#[doc = $doc:literal])+ $name:ident($request:ident) -> $response:ident;)+) => {
        impl Client {
            $(
                $(#[doc = $doc])+
                pub async fn $name(&self, request: pb::$request) -> Result<pb::$response> {
                    self.call(request, async |mut stub, request| stub.$name(request).await).await
                }
            )+
        }
    };
}

calls! {
    /// Reads a player.
    get_player(GetPlayerRequest) -> GetPlayerResponse;
    /// Writes a player: the whole state, or the fields of the mask.
    put_player(PutPlayerRequest) -> PutPlayerResponse;
    /// Delivers what a cut-off caller could not, and answers what it missed.
    sync_player(SyncPlayerRequest) -> SyncPlayerResponse;
    /// Reads a match.
    get_match(GetMatchRequest) -> GetMatchResponse;
    /// Writes a match: the whole state, or the fields of the mask.
    put_match(PutMatchRequest) -> PutMatchResponse;
    /// Reads what all aggregates together say.
    get_global(GetGlobalRequest) -> GetGlobalResponse;
    /// Reads the global state at or after this client's last write, or a token.
    sync_global(SyncGlobalRequest) -> SyncGlobalResponse;
    /// Creates an aggregate; refused if it exists.
    create_aggregate(CreateAggregateRequest) -> CreateAggregateResponse;
    /// Reads an aggregate as it is, or as it was.
    get_aggregate(GetAggregateRequest) -> GetAggregateResponse;
    /// Reads several aggregates.
    batch_get_aggregates(BatchGetAggregatesRequest) -> BatchGetAggregatesResponse;
    /// Changes an aggregate.
    update_aggregate(UpdateAggregateRequest) -> UpdateAggregateResponse;
    /// Changes several aggregates, each for itself.
    batch_update_aggregates(BatchUpdateAggregatesRequest) -> BatchUpdateAggregatesResponse;
    /// Deletes an aggregate; its history stays.
    delete_aggregate(DeleteAggregateRequest) -> DeleteAggregateResponse;
    /// Lists aggregates of a type.
    list_aggregates(ListAggregatesRequest) -> ListAggregatesResponse;
    /// Lists the events of an aggregate.
    list_events(ListEventsRequest) -> ListEventsResponse;
    /// Appends events of the caller's own.
    append_events(AppendEventsRequest) -> AppendEventsResponse;
    /// What differs between two versions.
    diff_aggregate(DiffAggregateRequest) -> DiffAggregateResponse;
    /// Takes an aggregate back to an earlier version or time.
    rollback_aggregate(RollbackAggregateRequest) -> RollbackAggregateResponse;
    /// Changes several aggregates, all or none.
    transact(TransactRequest) -> TransactResponse;
    /// Registers a type, or changes one.
    register_type(RegisterTypeRequest) -> RegisterTypeResponse;
    /// Reads the schema of a type.
    get_type(GetTypeRequest) -> GetTypeResponse;
    /// Lists the registered types.
    list_types(ListTypesRequest) -> ListTypesResponse;
    /// What the service has been doing.
    get_analytics(GetAnalyticsRequest) -> GetAnalyticsResponse;
}
