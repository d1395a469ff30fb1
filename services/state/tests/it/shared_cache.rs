//! Instances of one store that share a cache: what it saves, and that nothing is believed of it.

mod liar;
mod promises;

use std::time::Duration;

use gamemesh_cache::{Lifetimes, LocalL2};
use gamemesh_contracts::common::v1::{Consistency, Tier};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::config::Secret;
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::proxy::Proxy;

use self::liar::{Liar, Manner};
use self::promises::Promises;
use super::calls::increment;
use super::world::{Client, World};

const TYPE: &str = "economy";

async fn postgres() -> Postgres {
    tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap()
}

fn shared_cache() -> Liar {
    Liar::new(LocalL2::new(10_000, Lifetimes::default()))
}

async fn two(postgres: &Postgres, shared: &Liar) -> [World; 2] {
    let one = || World::sharing(postgres.url(), shared.port(), StateConfig::default());
    [one().await, one().await]
}

/// Version and tier of an answer.
async fn read(client: &Client, id: &str, how: Consistency, token: &str) -> (i64, Tier) {
    let request = pb::GetAggregateRequest {
        r#type: TYPE.to_owned(),
        id: id.to_owned(),
        consistency: how.into(),
        token: token.to_owned(),
        ..Default::default()
    };
    let answer = client.clone().get_aggregate(request).await.unwrap().into_inner();
    let freshness = answer.freshness.unwrap();
    assert_eq!(freshness.version, answer.aggregate.unwrap().version);
    (freshness.version, freshness.tier())
}

/// Adds one, and answers the version with its token.
async fn write(client: &Client, id: &str) -> (i64, String) {
    let written = increment(client, TYPE, id, "balances.gold", 1.0).await.unwrap();
    let written = written.write.unwrap();
    (written.version, written.token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_has_another_need_not_load() {
    let postgres = postgres().await;
    let shared = shared_cache();
    let [writer, mut reader] = two(&postgres, &shared).await;
    let client = writer.client().await;
    // Written here, read there.
    let (_, token) = write(&client, "a").await;
    shared.has("economy/a", 1).await;
    reader.restart().await;
    let there = reader.client().await;
    assert_eq!(read(&there, "a", Consistency::AtLeast, &token).await, (1, Tier::L2));
    assert_eq!(read(&there, "a", Consistency::AtLeast, &token).await, (1, Tier::L1));
    // Read here, read there.
    shared.flush();
    reader.restart().await;
    let there = reader.client().await;
    assert_eq!(read(&there, "a", Consistency::Any, "").await, (1, Tier::Store));
    shared.has("economy/a", 1).await;
    reader.restart().await;
    let there = reader.client().await;
    for (how, tier) in [(Consistency::Strong, Tier::L2), (Consistency::Strong, Tier::L1)] {
        assert_eq!(read(&there, "a", how, "").await, (1, tier));
    }
}

/// Whatever the shared cache does, no read is older than what it promised, and none fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_shared_cache_does_every_promise_holds() {
    let postgres = postgres().await;
    let shared = shared_cache();
    // Room for a few aggregates, so that most reads look further than the process.
    let config = || StateConfig {
        cache_bytes_max: 6_000,
        cache_entries: 4,
        token_secret: Secret::new("secret"),
        ..StateConfig::default()
    };
    let mut worlds = Vec::new();
    for _ in 0..3 {
        worlds.push(World::sharing(postgres.url(), shared.port(), config()).await);
    }
    let promises = Promises::new(worlds.len());
    for manner in [Manner::Honest, Manner::Old, Manner::Erratic, Manner::Away, Manner::Hanging] {
        shared.behave(manner);
        promises.keep(&worlds, manner).await;
        // What was put in the last round is still there for an instance that begins anew.
        worlds[1].restart().await;
    }
}

/// A strong read is told the head, and then loads. What is written, shown and evicted between the two raises no
/// floor for that load: a value that has just that head must not be kept as the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_comes_late_hides_nothing_newer() {
    const DELAY: Duration = Duration::from_secs(1);
    let postgres = postgres().await;
    let shared = shared_cache();
    let proxy = Proxy::before(postgres.url()).await.unwrap();
    let small = StateConfig { cache_bytes_max: 6_000, cache_entries: 4, ..StateConfig::default() };
    let writer = World::sharing(postgres.url(), shared.port(), StateConfig::default()).await;
    let slow = World::sharing(&proxy.instead_of(postgres.url()), shared.port(), small).await;
    let (here, there) = (writer.client().await, slow.client().await);
    let others: Vec<String> = (0..20).map(|n| format!("other-{n}")).collect();
    let mut token = String::new();
    for id in others.iter().map(String::as_str).chain(["a"]) {
        (_, token) = write(&here, id).await;
        shared.has(&format!("economy/{id}"), 1).await;
    }
    // On each connection the question has been asked before: so it is one round trip.
    for id in &others {
        read(&there, id, Consistency::Strong, "").await;
    }
    shared.behave(Manner::Forgetful);
    // Until the process holds on to it: what it is told is folded on that.
    while read(&there, "a", Consistency::AtLeast, &token).await != (1, Tier::L1) {}

    proxy.set_delay(DELAY);
    let asking = there.clone();
    let strong = tokio::spawn(async move { read(&asking, "a", Consistency::Strong, "").await });
    // Asked and answered, and the answer is on its way.
    tokio::time::sleep(DELAY * 3 / 2).await;
    let (_, token) = write(&here, "a").await;
    // Nothing of this passes the proxy: the writer tells, and the others are in the shared cache. Each is
    // read until it is held, and what was held before is not.
    for id in &others {
        while read(&there, id, Consistency::AtLeast, &token).await != (1, Tier::L1) {}
    }
    proxy.set_delay(Duration::ZERO);
    assert!(strong.await.unwrap().0 >= 1);
    assert_eq!(read(&there, "a", Consistency::AtLeast, &token).await.0, 2);
}

/// Many ask two instances for what nobody has: each loads it at most once, and in the end one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_cold_reads_of_two_instances_load_once() {
    const AGGREGATES: usize = 12;
    const READERS: usize = 10;
    let postgres = postgres().await;
    let shared = shared_cache();
    let mut worlds = two(&postgres, &shared).await;
    let client = worlds[0].client().await;
    for id in 0..AGGREGATES {
        write(&client, &id.to_string()).await;
        shared.has(&format!("economy/{id}"), 1).await;
    }
    for world in &mut worlds {
        world.restart().await;
    }
    shared.flush();
    let clients = [worlds[0].client().await, worlds[1].client().await];
    for id in 0..AGGREGATES {
        let readers = (0..READERS).map(|n| {
            let client = clients[n % 2].clone();
            tokio::spawn(
                async move { read(&client, &id.to_string(), Consistency::AtLeast, "").await },
            )
        });
        for reader in readers.collect::<Vec<_>>() {
            assert_eq!(reader.await.unwrap().0, 1);
        }
    }
    let mut loads = 0.0;
    for world in &worlds {
        // One may be served by the other every time.
        let loaded = world.count("gamemesh_cache_answers_total", "tier=\"store\"").await;
        assert!(loaded <= AGGREGATES as f64, "{loaded} loads by one instance");
        loads += loaded;
    }
    // Who waits for another gives up after a while, so that on a slow machine both load now and then.
    let (least, most) = (AGGREGATES as f64, 2.0 * AGGREGATES as f64);
    assert!((least..most).contains(&loads), "{loads} loads of {AGGREGATES} by two");
    println!("{loads} loads of {AGGREGATES} aggregates by two instances");
}

/// Answers from the process after a write elsewhere, and from a shared cache that has missed one: none
/// that is compared with the log is older than it promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sampled_answers_keep_their_promises() {
    let postgres = postgres().await;
    let shared = shared_cache();
    let config = StateConfig { sample_interval: 1, ..StateConfig::default() };
    let writer = World::sharing(postgres.url(), shared.port(), config.clone()).await;
    let mut reader = World::sharing(postgres.url(), shared.port(), config).await;
    let (here, there) = (writer.client().await, reader.client().await);
    for _ in 0..4 {
        let (_, token) = write(&here, "a").await;
        read(&there, "a", Consistency::AtLeast, &token).await;
    }
    assert_sampled(&reader, 4).await;

    shared.has("economy/a", 4).await;
    shared.behave(Manner::Forgetful);
    let (_, token) = write(&here, "a").await;
    reader.restart().await;
    let there = reader.client().await;
    for how in [Consistency::AtLeast, Consistency::Strong] {
        let token = if how == Consistency::AtLeast { token.as_str() } else { "" };
        read(&there, "a", how, token).await;
    }
    assert_sampled(&reader, 2).await;
}

/// So many answers are compared with the log, and none is stale.
async fn assert_sampled(world: &World, answers: u32) {
    while world.metric("gamemesh_cache_sampled_total").await < f64::from(answers) {
        tokio::task::yield_now().await;
    }
    let stale = world.metric("gamemesh_cache_stale_beyond_bound_total").await;
    assert_eq!(stale, 0.0, "the sampler found a stale answer");
}

/// What comes under no seal of this store is a hint to look at the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_news_is_not_believed() {
    let postgres = postgres().await;
    let shared = shared_cache();
    let [writer, reader] = two(&postgres, &shared).await;
    let (here, there) = (writer.client().await, reader.client().await);
    let told = async || reader.count("gamemesh_feed_events_total", "how=\"told\"").await;
    let written_and_read = async || {
        let written = increment(&here, TYPE, "a", "balances.gold", 1.0).await.unwrap();
        let request = pb::GetAggregateRequest {
            r#type: TYPE.to_owned(),
            id: "a".to_owned(),
            consistency: Consistency::AtLeast.into(),
            token: written.write.unwrap().token,
            ..Default::default()
        };
        let read = there.clone().get_aggregate(request).await.unwrap().into_inner();
        assert_eq!(read.aggregate, written.aggregate, "forged news was believed");
    };
    shared.behave(Manner::Forging);
    for _ in 0..20 {
        written_and_read().await;
    }
    assert_eq!(told().await, 0.0);
    // Else there was nothing to forge.
    shared.behave(Manner::Honest);
    while told().await == 0.0 {
        written_and_read().await;
    }
}
