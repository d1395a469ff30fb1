//! What the crates give every service, used by one at once: on a file alone, and by two instances on
//! PostgreSQL, Redis and Kafka.

mod service;

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_backends::{
    Backends, Brokers, Bus, CacheCapacity, CacheTls, Capacity, open, open_bus, open_cache,
};
use gamemesh_client::{Client, ClientOptions, v1};
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_launch::{Listener, Outcome, Setup, Signals, Trigger, assemble};
use gamemesh_repository::LogName;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::peers::Peers;
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::telemetry::Tracing;
use gamemesh_state::{StateConfig, Stores};
use gamemesh_testkit::http;
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::redis::Redis;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::outbox::brokers;

/// Names over which what is added is spread, and so lanes.
const NAMES: usize = 12;
const ROUNDS: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);
/// A lane has an owner, and a consumer has counted, within this time on a busy machine.
const TRIES_MAX: usize = 1_200;

/// What the instances of one test stand on.
struct Place {
    url: String,
    redis: Option<String>,
    brokers: Vec<String>,
    topic: String,
}

/// One instance of the service, in this process, beside the state service.
struct Instance {
    address: String,
    stores: [Backends; 2],
    trigger: Trigger,
    served: JoinHandle<anyhow::Result<Outcome>>,
}

impl Instance {
    async fn start(place: &Place) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.addr().to_string();
        let (metrics, lifecycle) = (Metrics::new(), Lifecycle::new());
        let (peers, bus) = (Peers::local(), place.bus());
        let capacity = Capacity::with_readers(2);
        let own = open(&place.url, LogName::Stats, capacity).await.unwrap();
        let states = open(&place.url, LogName::State, capacity).await.unwrap();
        let state = place.state(&states, &bus, &metrics, &lifecycle).await;
        let reach = (address.clone(), peers.of("tally"));
        let tally = service::mount(&own, &bus, &place.topic, reach, &metrics, &lifecycle);
        let config = ServerConfig::resolve(&ServerArgs::default(), |_| None, None).unwrap();
        let setup = Setup {
            config: &config,
            clock: Clock::system(),
            metrics,
            tracing: Tracing::default(),
            lifecycle,
            descriptors: &[DESCRIPTORS],
            mounted: vec![state, tally],
            instances: Instances::default(),
            log_level: None,
            heap: None,
        };
        let app = assemble(setup).await.unwrap();
        app.bind(&peers);
        let (trigger, signals) = Signals::manual();
        let served = tokio::spawn(app.serve(listener, axum::Router::new(), signals));
        Self { address, stores: [own, states], trigger, served }
    }

    async fn stop(self) {
        self.trigger.stop();
        assert_eq!(self.served.await.unwrap().unwrap(), Outcome::Drained);
        for store in self.stores {
            store.close().await;
        }
    }

    /// Adds one, wherever the name belongs, once somebody owns it.
    async fn add(&self, name: &str) {
        let mut address = self.address.clone();
        for _ in 0..TRIES_MAX {
            let request = ::http::Request::post(format!("/tally/{name}"));
            match http::send(&address, request, "").await {
                Ok(answer) if answer.status == 200 => return,
                Ok(answer) if answer.status == 307 => {
                    let location = answer.header("location").unwrap();
                    let (_, path) = location.split_once("http://").unwrap();
                    address = path.split_once('/').unwrap().0.to_owned();
                    continue;
                }
                // Nobody owns the lane for the moment, its owner has just gone, or it has not heard of the
                // guild yet.
                _ => address.clone_from(&self.address),
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("nobody takes {name}");
    }

    /// Waits until the consumer of this instance has counted exactly this.
    async fn counts(&self, expected: &BTreeMap<String, usize>) {
        for (name, count) in expected {
            let mut counted = String::new();
            for _ in 0..TRIES_MAX {
                counted = http::get(&self.address, &format!("/tally/{name}")).await.unwrap().text();
                if counted == count.to_string() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            assert_eq!(counted, count.to_string(), "{name} at {}", self.address);
        }
    }
}

/// Adds to every name some times, through these instances in turn.
async fn add_everywhere(instances: &[&Instance], added: &mut BTreeMap<String, usize>) {
    for round in 0..ROUNDS {
        for at in 0..NAMES {
            let name = format!("n{at}");
            instances[(round + at) % instances.len()].add(&name).await;
            *added.entry(name).or_default() += 1;
        }
    }
}

impl Place {
    fn bus(&self) -> Bus {
        let (addresses, message_bytes_max) = (self.brokers.clone(), 1_000_000);
        open_bus(Brokers { addresses, message_bytes_max, ..Brokers::default() }).unwrap()
    }

    async fn state(
        &self,
        store: &Backends,
        bus: &Bus,
        metrics: &Metrics,
        lifecycle: &Lifecycle,
    ) -> Mounted {
        let capacity = CacheCapacity {
            connections_max: 4,
            timeout: Duration::from_millis(100),
            time_to_live: Duration::from_secs(60),
            tls: CacheTls::default(),
        };
        let incarnation = store.log.incarnation();
        let shared = open_cache(self.redis.as_deref(), incarnation, capacity).unwrap();
        let stores = Stores {
            log: store.log.clone(),
            snapshots: store.snapshots.clone(),
            cursors: store.cursors.clone(),
            tables: store.tables.clone(),
            documents: store.documents.clone(),
            bus: bus.publisher.clone(),
            lanes: None,
            shared: shared.map(|shared| shared.port),
        };
        let events_topic = format!("{}-state", self.topic);
        let config = StateConfig { events_topic, ..StateConfig::default() };
        let clock = Clock::system();
        gamemesh_state::mount(stores, config, clock, metrics, lifecycle.clone()).await.unwrap()
    }
}

/// Makes the guilds under whose names is added.
async fn found_guilds(instance: &Instance) {
    let address = format!("http://{}", instance.address);
    let client = Client::connect(&address, ClientOptions::default()).await.unwrap();
    for at in 0..NAMES {
        let id = format!("n{at}");
        let request =
            v1::CreateAggregateRequest { r#type: "guild".into(), id, ..Default::default() };
        client.create_aggregate(request).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_a_file_counts_again_from_its_log_what_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("tally.db").display());
    let place = Place { url, redis: None, brokers: Vec::new(), topic: "tally".to_owned() };
    let mut added = BTreeMap::new();
    for start in 0..2 {
        let instance = Instance::start(&place).await;
        if start == 0 {
            found_guilds(&instance).await;
        }
        add_everywhere(&[&instance], &mut added).await;
        instance.counts(&added).await;
        instance.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_the_lanes_and_each_hears_everything() {
    let (postgres, redis) =
        tokio::task::spawn_blocking(|| (Postgres::start().unwrap(), Redis::start().unwrap()))
            .await
            .unwrap();
    let place = Place {
        url: postgres.url().to_owned(),
        redis: Some(redis.url().to_owned()),
        brokers: vec![brokers().await],
        topic: format!("tally-{}", Uuid::new_v4()),
    };
    let first = Instance::start(&place).await;
    let second = Instance::start(&place).await;
    found_guilds(&first).await;
    let mut added = BTreeMap::new();
    add_everywhere(&[&first, &second], &mut added).await;
    first.counts(&added).await;
    second.counts(&added).await;
    // Who leaves hands its lanes over; what is added meanwhile waits for their next owner.
    let staying = [&second];
    tokio::join!(first.stop(), add_everywhere(&staying, &mut added));
    second.counts(&added).await;
    second.stop().await;
}
