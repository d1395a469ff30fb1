//! A service of few lines that stands on what every service can have: a log of its own, the feed, the
//! outbox, a consumer of the bus, an HTTP route, another service as its peer, and lanes that are owned
//! under a fence.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use bytes::Bytes;
use gamemesh_backends::{Backends, Bus};
use gamemesh_bus::{ConsumerEvent, ConsumerOptions, Consumers, ReceivedMessage};
use gamemesh_contracts::state::v1::GetAggregateRequest;
use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use gamemesh_domain::Result;
use gamemesh_feed::{Feed, FeedMetrics, Unchanged};
use gamemesh_outbox::{Encoder, OutboxMetrics, Relay, TraceContext};
use gamemesh_ownership::{
    LaneOwnership, LeaseManager, Licence, OwnedLanes, Ownership, OwnershipMetrics,
};
use gamemesh_repository::{
    Append, Event, EventLog, Expected, LogError, NewEvent, StreamAppend, StreamName,
};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::forward::Mark;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::peers::{Origin, ServicePeers};
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::tls::Connector;
use http::StatusCode;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(5);

/// Counts what was added under the name of each guild.
struct Tally {
    log: Arc<dyn EventLog>,
    ownership: Arc<Ownership>,
    peers: ServicePeers,
    /// As the consumer has seen it.
    counts: Mutex<BTreeMap<String, u64>>,
}

/// What goes to the bus: the name.
struct Names {
    topic: Arc<str>,
}

pub(super) fn mount(
    store: &Backends,
    bus: &Bus,
    topic: &str,
    (address, peers): (String, ServicePeers),
    metrics: &Metrics,
    lifecycle: &Lifecycle,
) -> Mounted {
    let log = store.log.clone();
    let feed = Arc::new(Feed::new(log.clone(), FeedMetrics::register(metrics, "tally")));
    let ownership = OwnershipMetrics::register(metrics, "tally");
    let ownership = Arc::new(Ownership::new(log.lanes(), ownership));
    let leases = store.leases.clone();
    let mark = Mark::new(&log.secret(), Clock::system());
    let connector = Connector::default();
    let owned = OwnedLanes { leases, address, lease: LEASE, mark, connector };
    let manager = LeaseManager::new(owned, ownership.clone());
    let relay = Relay {
        log: log.clone(),
        feed: feed.clone(),
        cursors: store.cursors.clone(),
        bus: bus.publisher.clone(),
        encoder: Names { topic: topic.into() },
        metrics: OutboxMetrics::register(metrics, "tally"),
    };
    let tally = Arc::new(Tally { log, ownership, peers, counts: Mutex::default() });
    let routes = Router::new().route("/tally/{name}", post(add).get(count));
    let (consumers, topic) = (bus.consumers.clone(), topic.to_owned());
    let (draining, counting) = (lifecycle.draining().clone(), tally.clone());
    Mounted::new("tally")
        .http(routes.with_state(tally))
        .task("feed", async move |stop| feed.run(&Unchanged, stop).await)
        .task("relay", |stop| relay.run(stop))
        .task("lease manager", |_| manager.run(draining))
        .task("consumer", async move |stop| counting.consume(&*consumers, &topic, stop).await)
}

/// Writes where the lane is owned; elsewhere the caller is told who owns it.
async fn add(
    State(tally): State<Arc<Tally>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let origin = Origin::of(request.extensions()).unwrap();
    if !tally.is_guild(&name, origin).await.unwrap_or_default() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let stream = StreamName::new("tally", &name);
    match tally.ownership.owner(stream.lane(tally.log.lanes())) {
        LaneOwnership::Here(licence) => tally.append(stream, &licence).await.into_response(),
        LaneOwnership::There(peer) => {
            Redirect::temporary(&format!("http://{}/tally/{name}", peer.address())).into_response()
        }
        LaneOwnership::Nobody => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn count(State(tally): State<Arc<Tally>>, Path(name): Path<String>) -> String {
    tally.counts.lock().get(&name).copied().unwrap_or_default().to_string()
}

impl Tally {
    /// Whether the state service has a guild of this name.
    async fn is_guild(&self, name: &str, origin: Origin) -> Result<bool> {
        let mut state = StateServiceClient::new(self.peers.channel("state", origin)?);
        let (r#type, id) = ("guild".to_owned(), name.to_owned());
        let request = GetAggregateRequest { r#type, id, ..GetAggregateRequest::default() };
        Ok(state.get_aggregate(request).await.is_ok())
    }

    async fn append(&self, stream: StreamName, licence: &Licence) -> StatusCode {
        let Some(fence) = licence.fence() else { return StatusCode::SERVICE_UNAVAILABLE };
        let (id, data) = (Uuid::new_v4(), Bytes::from(stream.key().to_owned()));
        let events = vec![NewEvent { id, kind: "added".into(), data, meta: Bytes::new() }];
        let streams = vec![StreamAppend { stream, expected: Expected::Any, events }];
        let append = Append { streams, idempotency: None, fence: Some(fence), now_us: 1 };
        match self.log.append(append).await {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Counts each event once: what comes twice has the same id.
    async fn consume(&self, consumers: &dyn Consumers, topic: &str, stop: CancellationToken) {
        let group = format!("tally-{}", Uuid::new_v4());
        let options = ConsumerOptions::default();
        let mut consumer = consumers.consumer(&group, &[topic], options).await.unwrap();
        let mut counted = HashSet::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = consumer.next() => event,
            };
            let Ok(ConsumerEvent::Messages(messages)) = event else { continue };
            let new =
                |message: &&ReceivedMessage| counted.insert(message.header("event-id").cloned());
            for message in messages.iter().filter(new) {
                let name = String::from_utf8(message.payload.to_vec()).unwrap();
                *self.counts.lock().entry(name).or_default() += 1;
            }
            let offsets: Vec<_> = messages.iter().map(ReceivedMessage::next_offset).collect();
            let _ = consumer.commit(&offsets).await;
        }
    }
}

impl Encoder for Names {
    fn cursor(&self) -> &str {
        &self.topic
    }

    fn topics(&self) -> Vec<Arc<str>> {
        vec![self.topic.clone()]
    }

    fn topic(&self, _: &Event) -> Arc<str> {
        self.topic.clone()
    }

    fn content_type(&self) -> &'static str {
        "text/plain"
    }

    fn payload(&self, event: &Event, _with_data: bool) -> Result<Bytes, LogError> {
        Ok(event.data.clone())
    }

    fn trace_context<'e>(&self, _: &'e Event) -> Result<TraceContext<'e>, LogError> {
        Ok(TraceContext::default())
    }
}
