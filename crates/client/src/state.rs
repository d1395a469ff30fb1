//! The calls of the state service.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::call::{Incoming, Outgoing};
use crate::retry::{self, Budget};
use crate::session::Session;
use crate::{ClientOptions, Error, Result, Watch};

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How often an idle connection is probed, so that a watch notices a server that went silent.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// A probe without an answer ends the connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the state service. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    stub: StateServiceClient<Channel>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ClientOptions,
    authorization: Option<MetadataValue<Ascii>>,
    budget: Budget,
    session: Session,
}

impl Client {
    /// Connects to `http://host:port`; the scheme may be left out.
    pub async fn connect(url: &str, options: ClientOptions) -> Result<Self> {
        let channel = endpoint(url, &options)?.connect().await.map_err(|error| {
            let error = Error::from(error);
            Error { message: format!("cannot reach {url}: {}", error.message), ..error }
        })?;
        Self::over(channel, options)
    }

    /// As [`Self::connect`], but the connection is made by the first call.
    pub fn lazy(url: &str, options: ClientOptions) -> Result<Self> {
        Self::over(endpoint(url, &options)?.connect_lazy(), options)
    }

    /// Calls over a channel that the caller made.
    pub fn over(channel: Channel, options: ClientOptions) -> Result<Self> {
        let authorization = options
            .token
            .as_ref()
            .map(|token| MetadataValue::try_from(format!("Bearer {token}")))
            .transpose()
            .map_err(|_| {
                Error::local(
                    Code::InvalidArgument,
                    "the token has characters that no header can carry",
                )
            })?;
        Ok(Self {
            stub: StateServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX),
            shared: Arc::new(Shared {
                options,
                authorization,
                budget: Budget::full(),
                session: Session::default(),
            }),
        })
    }

    pub fn options(&self) -> &ClientOptions {
        &self.shared.options
    }

    /// Watches changes. The watch resumes by itself after a break.
    pub fn watch(&self, request: pb::WatchAggregatesRequest) -> Watch {
        Watch::new(self.clone(), request)
    }

    /// One attempt to open a watch.
    pub(crate) async fn open_watch(
        &self,
        request: pb::WatchAggregatesRequest,
    ) -> Result<Streaming<pb::WatchAggregatesResponse>> {
        let opened = self.stub.clone().watch_aggregates(self.authorized(request)).await?;
        Ok(opened.into_inner())
    }

    /// Folds a history again, event by event. Not resumed after a break.
    pub async fn replay_aggregate(
        &self,
        request: pb::ReplayAggregateRequest,
    ) -> Result<Streaming<pb::ReplayAggregateResponse>> {
        let opened = self.stub.clone().replay_aggregate(self.authorized(request)).await?;
        Ok(opened.into_inner())
    }

    /// Many updates on one connection. The caller keeps what has not been answered, and sends it
    /// again, under the same idempotency keys, after a break.
    pub async fn stream_updates(
        &self,
        requests: impl Stream<Item = pb::StreamUpdatesRequest> + Send + 'static,
    ) -> Result<Streaming<pb::StreamUpdatesResponse>> {
        let opened = self.stub.clone().stream_updates(self.authorized(requests)).await?;
        Ok(opened.into_inner())
    }

    fn authorized<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.shared.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    /// Sends until there is an answer, a refusal, or no use in another attempt.
    async fn call<Req, Res, F>(&self, mut message: Req, send: F) -> Result<Res>
    where
        Req: Outgoing,
        Res: Incoming,
        F: AsyncFn(StateServiceClient<Channel>, Request<Req>) -> Result<Response<Res>, Status>,
    {
        let Shared { options, budget, session, .. } = &*self.shared;
        message.prepare(session, options.idempotency_keys);
        let ends = Instant::now() + options.deadline;
        let mut attempt = 1;
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let mut request = self.authorized(message.clone());
            request.set_timeout(left);
            let error = match tokio::time::timeout(left, send(self.stub.clone(), request)).await {
                Ok(Ok(answer)) => {
                    budget.earn();
                    let answer = answer.into_inner();
                    for (key, token) in message.keys().into_iter().zip(answer.tokens()) {
                        session.wrote(key, token);
                    }
                    return Ok(answer);
                }
                Ok(Err(status)) => Error::from(status),
                Err(_) => return Err(deadline_passed(options.deadline)),
            };
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // The channel's own timer may have ended the attempt, which looks like a break.
                return Err(deadline_passed(options.deadline));
            }
            let pause = retry::pause(&options.retry, &error, attempt, rand::random(), left)
                .filter(|_| message.is_repeatable() && budget.spend());
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
            attempt += 1;
        }
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

fn endpoint(url: &str, options: &ClientOptions) -> Result<Endpoint> {
    let wrong = |what: &str| {
        Error::local(
            Code::InvalidArgument,
            format!("{url:?} is {what}; accepted: http://host:port"),
        )
    };
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    if !full.starts_with("http://") {
        return Err(wrong("of a scheme that this client does not speak"));
    }
    Ok(Endpoint::from_shared(full)
        .map_err(|_| wrong("not a URL"))?
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

fn deadline_passed(deadline: Duration) -> Error {
    Error {
        reason: "DEADLINE_EXCEEDED".into(),
        ..Error::local(Code::DeadlineExceeded, format!("no answer within {deadline:?}"))
    }
}
