//! How fresh answers are, what they say about it, and what the cache may hold.

use std::time::Duration;

use gamemesh_contracts::common::v1::{Consistency, Freshness, Tier};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::clock::Clock;
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use serde_json::json;

use super::calls::{create, get, increment, reason};
use super::documents::number;
use super::world::{Client, World};

fn read(id: &str, consistency: Consistency, token: &str) -> pb::GetAggregateRequest {
    pb::GetAggregateRequest {
        r#type: "economy".to_owned(),
        id: id.to_owned(),
        consistency: consistency.into(),
        token: token.to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_say_their_version_tier_age_and_token() {
    let mut world = World::new().await;
    let client = world.client().await;
    create(&client, "economy", "a", &json!({"balances": {"gold": 1}})).await.unwrap();
    drop(client);
    world.restart().await;
    let client = world.client().await;
    for tier in [Tier::Store, Tier::L1, Tier::L1] {
        let freshness = get(&client, "economy", "a").await.unwrap().freshness.unwrap();
        assert_eq!((freshness.version, freshness.tier()), (1, tier));
        assert_eq!(freshness.age, Some(prost_types::Duration::default()));
        assert!((1..=512).contains(&freshness.token.len()));
    }
    // The past comes from the store.
    let past = pb::GetAggregateRequest { version: Some(1), ..read("a", Consistency::Any, "") };
    let past = client.clone().get_aggregate(past).await.unwrap().into_inner();
    assert_eq!(past.freshness.unwrap().tier(), Tier::Store);

    let path = "/api/v1/state/aggregates/economy/a";
    let answer = world.http("GET", path, &[], "").await;
    let told = ["etag", "x-state-version", "x-state-age-ms", "x-state-tier"];
    assert_eq!(told.map(|name| answer.header(name)), ["\"1\"", "1", "0", "l1"]);
    let unchanged = world.http("GET", path, &[("if-none-match", "\"1\"")], "").await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let changed = world.http("GET", path, &[("if-none-match", "\"0\", W/\"2\"")], "").await;
    assert_eq!(changed.status, 200);
    let token = answer.header("x-state-token");
    let again = world.http("GET", &format!("{path}?token={token}"), &[], "").await;
    assert_eq!(again.status, 200);
}

/// Whoever is answered that something was written finds it, in every way of reading, on another
/// connection too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_in_every_read_that_follows() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for n in 0..12 {
        let (writer, reader) = (world.client().await, world.client().await);
        clients.push(tokio::spawn(async move {
            for step in 1..=15 {
                let id = format!("own-{n}");
                let written = increment(&writer, "economy", &id, "balances.gold", 1.0).await;
                let token = written.unwrap().write.unwrap().token;
                // Half of them bring their token.
                let token = if step % 2 == 0 { token } else { String::new() };
                every_read_sees(&reader, &id, f64::from(step), &token).await;
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let global = world.client().await.get_global(pb::GetGlobalRequest::default()).await.unwrap();
    assert_eq!(global.into_inner().global.unwrap().version, 12 * 15);
}

async fn every_read_sees(client: &Client, id: &str, gold: f64, token: &str) {
    let mut client = client.clone();
    for consistency in [Consistency::Strong, Consistency::AtLeast, Consistency::Unspecified] {
        let answer = client.get_aggregate(read(id, consistency, token)).await.unwrap().into_inner();
        let state = answer.aggregate.unwrap().state.unwrap();
        assert_eq!(number(&state, &["balances", "gold"]), Some(gold), "{consistency:?}");
    }
    let keys = vec![pb::AggregateKey { r#type: "economy".to_owned(), id: id.to_owned() }];
    let batch = pb::BatchGetAggregatesRequest { keys, ..Default::default() };
    let batch = client.batch_get_aggregates(batch).await.unwrap().into_inner();
    let Some(pb::batch_get_result::Result::Aggregate(aggregate)) = &batch.results[0].result else {
        panic!("{batch:?}");
    };
    assert_eq!(aggregate.version, gold as i64);
    let list = pb::ListAggregatesRequest {
        r#type: "economy".to_owned(),
        filter: format!("_id = {id:?} AND balances.gold >= {gold}"),
        token: token.to_owned(),
        ..Default::default()
    };
    let listed = client.list_aggregates(list).await.unwrap().into_inner().aggregates;
    assert_eq!(listed.len(), 1, "{id} with {gold} is not in the list");
    let sync = pb::SyncGlobalRequest { token: token.to_owned() };
    let global = client.sync_global(sync).await.unwrap().into_inner().global.unwrap();
    assert!(global.version >= gold as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_stays_within_its_bytes_and_tells_the_truth() {
    const BYTES_MAX: u64 = 1 << 20;
    const AGGREGATES: usize = 150;
    let config = StateConfig { cache_bytes_max: BYTES_MAX, ..StateConfig::default() };
    let world = World::with(config, Clock::system()).await;
    let client = world.client().await;
    // Three times what the cache may hold.
    let ballast = "x".repeat(20 << 10);
    let state = json!({"ballast": ballast, "balances": {"gold": 0}});
    let ids: Vec<String> = (0..AGGREGATES).map(|n| format!("a-{n}")).collect();
    // Not all at once: a slow machine may refuse what would wait too long.
    for ids in ids.chunks(25) {
        let created = ids.iter().map(|id| create(&client, "economy", id, &state));
        for created in futures::future::join_all(created).await {
            created.unwrap();
        }
    }
    let mut loaded = 0;
    for round in 1..=3 {
        for ids in ids.chunks(25) {
            let add = |id| increment(&client, "economy", id, "balances.gold", 1.0);
            for written in futures::future::join_all(ids.iter().map(|id| add(id))).await {
                written.unwrap();
            }
        }
        for id in &ids {
            let answer = get(&client, "economy", id).await.unwrap();
            let state = answer.aggregate.unwrap().state.unwrap();
            assert_eq!(number(&state, &["balances", "gold"]), Some(f64::from(round)));
            loaded += usize::from(answer.freshness.unwrap().tier() == Tier::Store);
            let bytes = world.metric("gsm_memory_pool_usage").await;
            assert!(bytes <= BYTES_MAX as f64, "{bytes}");
        }
    }
    assert!(loaded > AGGREGATES, "only {loaded} reads went to the store: nothing was evicted");
    let bytes = world.metric("gsm_memory_pool_usage").await;
    assert!(bytes > BYTES_MAX as f64 / 4.0, "the cache holds only {bytes} bytes");
    assert_eq!(world.metric("gsm_cache_misses_total").await, loaded as f64);
}

fn bounded(id: &str, max_age: Duration) -> pb::GetAggregateRequest {
    let max_age = Some(max_age.try_into().unwrap());
    pb::GetAggregateRequest { max_age, ..read(id, Consistency::Bounded, "") }
}

fn age(freshness: &Freshness) -> Duration {
    freshness.age.unwrap().try_into().unwrap()
}

/// Without the database nobody knows what others have written since: what is here grows old and says so,
/// a bound that it has passed is refused, one that it has not is kept without asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_is_kept_or_refused_while_the_database_is_away() {
    const BOUND: Duration = Duration::from_millis(200);
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let writer = World::on(postgres.url(), StateConfig::default()).await;
    let reader = World::on(postgres.url(), StateConfig::default()).await;
    let written = increment(&writer.client().await, "economy", "a", "balances.gold", 1.0).await;
    let token = written.unwrap().write.unwrap().token;
    let mut client = reader.client().await;
    client.get_aggregate(read("a", Consistency::AtLeast, &token)).await.unwrap();

    postgres.kill().unwrap();
    let refused = loop {
        match client.get_aggregate(bounded("a", BOUND)).await {
            Ok(answer) => assert_eq!(answer.into_inner().freshness.unwrap().version, 1),
            Err(refused) => break refused,
        }
    };
    assert_eq!(reason(&refused), "DEPENDENCY_UNAVAILABLE");
    let hour = Duration::from_secs(3_600);
    for request in [bounded("a", hour), read("a", Consistency::Any, "")] {
        let freshness = client.get_aggregate(request).await.unwrap().into_inner().freshness;
        let freshness = freshness.unwrap();
        assert_eq!((freshness.version, freshness.tier()), (1, Tier::L1));
        assert!((BOUND..hour).contains(&age(&freshness)), "{freshness:?}");
    }
    let answer = reader.http("GET", "/api/v1/state/aggregates/economy/a", &[], "").await;
    assert!(answer.header("x-state-age-ms").parse::<u64>().unwrap() >= 200);

    tokio::task::spawn_blocking(move || postgres.start_again().map(|()| postgres))
        .await
        .unwrap()
        .unwrap();
    let freshness = loop {
        if let Ok(answer) = client.get_aggregate(bounded("a", BOUND)).await {
            break answer.into_inner().freshness.unwrap();
        }
    };
    assert_eq!(freshness.version, 1);
}

/// The world beside other instances: a strong read has folded what any of them has acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_world_is_as_fresh_as_asked_for_beside_other_instances() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let writer = World::on(postgres.url(), StateConfig::default()).await;
    let reader = World::on(postgres.url(), StateConfig::default()).await;
    let (here, mut there) = (writer.client().await, reader.client().await);
    for round in 1..=20 {
        let id = format!("a-{round}");
        increment(&here, "economy", &id, "balances.gold", 1.0).await.unwrap();
        let strong = Consistency::Strong.into();
        let request = pb::GetGlobalRequest { consistency: strong, ..Default::default() };
        let answer = there.get_global(request).await.unwrap().into_inner();
        assert_eq!(answer.global.unwrap().aggregates_by_type["economy"], round);
        assert!(answer.freshness.unwrap().age.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_acknowledged_is_history_here() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let writer = World::on(postgres.url(), StateConfig::default()).await;
    let reader = World::on(postgres.url(), StateConfig::default()).await;
    let (here, mut there) = (writer.client().await, reader.client().await);
    let (r#type, id) = ("economy".to_owned(), "a".to_owned());
    for version in 1..=40 {
        increment(&here, "economy", "a", "balances.gold", 1.0).await.unwrap();
        // One each, since whoever looks first brings the others up to date.
        match version % 4 {
            0 => {
                let (r#type, id) = (r#type.clone(), id.clone());
                let diff = pb::DiffAggregateRequest { r#type, id, from: 0, to: version };
                assert_eq!(there.diff_aggregate(diff).await.unwrap().into_inner().to, version);
            }
            1 => {
                let (r#type, id) = (r#type.clone(), id.clone());
                let list = pb::ListEventsRequest {
                    r#type,
                    id,
                    to_version: version,
                    descending: true,
                    ..Default::default()
                };
                let events = there.list_events(list).await.unwrap().into_inner().events;
                assert_eq!(events[0].version, version);
            }
            2 => {
                let (r#type, id) = (r#type.clone(), id.clone());
                let replay = pb::ReplayAggregateRequest {
                    r#type,
                    id,
                    from_version: version,
                    to_version: version,
                };
                let mut replayed = there.replay_aggregate(replay).await.unwrap().into_inner();
                let event = replayed.message().await.unwrap().unwrap().event.unwrap();
                assert_eq!(event.version, version);
            }
            _ => {
                let past = pb::GetAggregateRequest {
                    version: Some(version),
                    ..read("a", Consistency::Any, "")
                };
                let past = there.get_aggregate(past).await.unwrap().into_inner();
                assert_eq!(past.aggregate.unwrap().version, version);
            }
        }
    }
}
