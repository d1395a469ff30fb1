//! A broker that is slow, hangs, dies, or takes nothing: no write waits for it, and it gets everything
//! afterwards.

use std::time::Duration;

use gamemesh_client::Client;
use gamemesh_testkit::proxy::Proxy;
use gamemesh_testkit::{World, http};
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;

use super::reader::{Events, Reader};
use super::servers::{Servers, brokers};
use super::{GUILDS, PATIENCE, compare, metric, topic, world, write};

const LAG: &str = "gamemesh_outbox_lag_events{lane=\"0\"}";
/// Of each piece in each direction: an acknowledgement takes twice as long at least.
const SLOW: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_slow_hangs_or_dies_loses_nothing_and_stalls_no_write() {
    // The broker must tell its clients of the proxy, and the proxy be told of the broker.
    let proxy = Proxy::before("127.0.0.1:1").await.unwrap();
    let advertised = [("GAMEMESH_KAFKA_ADVERTISED", proxy.address())];
    let servers = blocking(move || Servers::start_with(&["kafka"], &advertised)).await;
    proxy.go_before(&servers.url("KAFKA_BROKERS"));
    let topic = topic();
    let mut world = world(&proxy.address(), &topic).build().unwrap();
    world.start().await.unwrap();
    let client = world.client().await.unwrap();
    write(&client, 20).await;
    drained(&world).await;

    proxy.set_delay(SLOW);
    write(&client, 100).await;
    assert!(metric(&world, LAG).await > 0.0, "a slow broker is not behind");
    drained(&world).await;
    proxy.set_delay(Duration::ZERO);

    // What it has taken and not answered, it has twice.
    proxy.set_hole(true);
    write(&client, 100).await;
    assert!(metric(&world, LAG).await > 0.0);
    proxy.set_hole(false);
    drained(&world).await;

    let load = tokio::spawn(async move {
        write(&client, 300).await;
        client
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let servers = blocking(move || {
        servers.run("kill", &["kafka"]);
        servers
    })
    .await;
    // All writes are acknowledged while it is away.
    write(&load.await.unwrap(), 100).await;
    assert!(metric(&world, LAG).await > 0.0);
    let degraded = async {
        loop {
            let ready = http::get(&world.address(), "/ready").await.unwrap();
            assert_eq!(ready.status, 200);
            if ready.json()["status"] == "degraded" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, degraded).await.expect("nobody notices that Kafka is away");
    // An instance that dies meanwhile takes nothing along.
    world.kill9();
    world.start().await.unwrap();
    let client = world.client().await.unwrap();
    write(&client, 10).await;
    let _servers = blocking(move || {
        servers.run("start", &["kafka"]);
        servers
    })
    .await;
    check(&client, &proxy.address(), &topic, 630).await;
    drained(&world).await;
}

/// A topic that takes no message, however small: the broker is there and refuses whatever comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_refuses_everything_gets_it_when_it_takes_it() {
    let (brokers, topic) = (brokers().await, topic());
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    let created = NewTopic::new(&topic, 4, TopicReplication::Fixed(1));
    let created = created.set("max.message.bytes", "10");
    let results = admin.create_topics([&created], &AdminOptions::new()).await.unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));

    let mut world = world(&brokers, &topic).build().unwrap();
    world.start().await.unwrap();
    let client = world.client().await.unwrap();
    for written in [50, 100] {
        write(&client, 50).await;
        lagging(&world, GUILDS * written).await;
    }
    assert_eq!(metric(&world, "gamemesh_outbox_published_total").await, 0.0);

    let altered = AlterConfig::new(ResourceSpecifier::Topic(&topic));
    let altered = altered.set("max.message.bytes", "1000000");
    let results = admin.alter_configs([&altered], &AdminOptions::new()).await.unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
    write(&client, 10).await;
    check(&client, &brokers, &topic, 110).await;
    drained(&world).await;
}

/// The topic holds so many events of each guild, in order, and no others.
async fn check(client: &Client, brokers: &str, topic: &str, each: usize) {
    let mut events = Events::default();
    Reader::open(brokers, topic).read(&mut events, GUILDS * each).await;
    compare(client, &events).await;
}

async fn drained(world: &World) {
    lagging(world, 0).await;
}

/// Waits until so many events are behind.
async fn lagging(world: &World, events: usize) {
    let waiting = async {
        while metric(world, LAG).await != events as f64 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the lag does not come to this");
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run).await.unwrap()
}
