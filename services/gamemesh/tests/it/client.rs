//! The client crate against a server that dies and comes back.

use std::time::Duration;

use futures::future::join_all;
use gamemesh_client::v1::operation::Kind;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, ClientOptions, RetryOptions, v1};
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;

const WRITERS: i64 = 4;
const WRITES: i64 = 120;
const DEATHS: u32 = 3;
/// Aggregates that one client has written side by side, and how often.
const WRITTEN: i64 = 12;
const ROUNDS: i64 = 20;

fn patient() -> ClientOptions {
    ClientOptions {
        deadline: Duration::from_secs(30),
        retry: RetryOptions { attempts_max: 20, ..RetryOptions::default() },
        ..ClientOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_over_deaths_of_the_server_and_each_is_made_once() {
    let mut world = World::standalone().await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = world.client_with(patient()).await.unwrap();
        writers.push(tokio::spawn(async move {
            for n in 1..=WRITES {
                let written = increment(&client, writer).await.unwrap();
                assert_eq!(written.version, n, "a write was lost or made twice");
                // The token of the write goes with the read.
                assert_eq!(read(&client, writer).await.version, n);
            }
        }));
    }
    for _ in 0..DEATHS {
        tokio::time::sleep(Duration::from_millis(150)).await;
        world.kill9();
        world.start().await.unwrap();
    }
    assert!(writers.iter().any(|writer| !writer.is_finished()), "nobody was writing any more");
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn without_a_key_a_write_is_not_tried_again() {
    let mut world =
        World::builder().services("state").fault("sqlite.after_commit:2").build().unwrap();
    world.start().await.unwrap();
    let options = ClientOptions { idempotency_keys: false, ..patient() };
    let client = world.client_with(options).await.unwrap();
    increment(&client, 0).await.unwrap();
    // The server dies with this write committed and not acknowledged.
    let lost = increment(&client, 0).await.unwrap_err();
    assert!(lost.transport, "{lost:?}");
    world.set_fault(None);
    world.kill9();
    world.start().await.unwrap();
    assert_eq!(read(&client, 0).await.version, 2, "it was made, once");
}

#[tokio::test]
async fn a_server_that_holds_still_is_given_up_at_the_deadline() {
    let world = World::standalone().await.unwrap();
    let options =
        ClientOptions { deadline: Duration::from_millis(300), ..ClientOptions::default() };
    let client = world.client_with(options).await.unwrap();
    increment(&client, 0).await.unwrap();
    world.pause(true).unwrap();
    let began = std::time::Instant::now();
    let error = increment(&client, 0).await.unwrap_err();
    world.pause(false).unwrap();
    assert_eq!(error.reason, "DEADLINE_EXCEEDED");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Two servers, each with a store of its own that holds the same.
async fn twins() -> [World; 2] {
    let twins = [World::standalone().await.unwrap(), World::standalone().await.unwrap()];
    for twin in &twins {
        increment(&twin.client().await.unwrap(), 0).await.unwrap();
    }
    twins
}

#[tokio::test]
async fn a_read_that_takes_long_is_answered_by_a_second_instance() {
    let twins = twins().await;
    let urls = twins.each_ref().map(World::url);
    let retry =
        RetryOptions { hedge_reads_after: Some(Duration::from_millis(50)), ..RetryOptions::none() };
    for still in &twins {
        let options = ClientOptions { retry: retry.clone(), ..ClientOptions::default() };
        let client = Client::connect_any(&urls, options).await.unwrap();
        still.pause(true).unwrap();
        // One of the two instances is where this read belongs.
        assert_eq!(read(&client, 0).await.version, 1);
        still.pause(false).unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_is_away_costs_nobody_a_call() {
    let [mut away, there] = twins().await;
    let urls = [away.url(), there.url()];
    let [away_url, _] = &urls;
    away.kill9();
    let none = Client::connect(away_url, ClientOptions::default()).await.unwrap_err();
    assert!(none.unsent && none.message.contains(away_url), "{none:?}");

    // Without keys nothing is sent twice, but what reached nobody may go elsewhere.
    let options = ClientOptions { idempotency_keys: false, ..ClientOptions::default() };
    let list = urls.join(",");
    let connected = Client::connect(&list, options.clone()).await.unwrap();
    let lazy = Client::lazy(&list, options).unwrap();
    for client in [connected, lazy] {
        for writer in 1..=8 {
            increment(&client, writer).await.unwrap();
        }
    }
    for writer in 1..=8 {
        assert_eq!(read(&there.client().await.unwrap(), writer).await.version, 2);
    }
}

#[tokio::test]
async fn an_instance_that_is_back_gets_its_calls_again() {
    const WRITERS: std::ops::RangeInclusive<i64> = 1..=64;
    let [mut away, there] = twins().await;
    let client = Client::connect_any([away.url(), there.url()], patient()).await.unwrap();
    away.kill9();
    for writer in WRITERS {
        increment(&client, writer).await.unwrap();
    }
    away.start().await.unwrap();
    let own = away.client().await.unwrap();
    // Of so many aggregates some belong there.
    tokio::time::timeout(Duration::from_secs(60), async {
        for writer in WRITERS.cycle() {
            increment(&client, writer).await.unwrap();
            let request = v1::GetAggregateRequest {
                r#type: "world".into(),
                id: format!("w{writer}"),
                ..Default::default()
            };
            if own.get_aggregate(request).await.is_ok() {
                return;
            }
        }
    })
    .await
    .unwrap();
}

/// They are in different lanes, and were written at both instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_has_all_that_its_client_has_written() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let builder = World::builder().services("state").database_url(postgres.url());
        let mut world = builder.env("POSTGRES_MAX_CONNS", "12").build().unwrap();
        world.start().await.unwrap();
        worlds.push(world);
    }
    let urls: Vec<String> = worlds.iter().map(World::url).collect();
    let client = Client::connect_any(&urls, patient()).await.unwrap();
    for round in 1..=ROUNDS {
        let writes = (0..WRITTEN).map(|n| increment(&client, n));
        join_all(writes).await.into_iter().for_each(|written| drop(written.unwrap()));
        let request = v1::ListAggregatesRequest { r#type: "world".into(), ..Default::default() };
        let listed = client.list_aggregates(request).await.unwrap().aggregates;
        let versions: Vec<i64> = listed.iter().map(|aggregate| aggregate.version).collect();
        assert_eq!(versions, [round; WRITTEN as usize]);
    }
}

/// The aggregate was written in a store that is not there any more.
#[tokio::test]
async fn what_is_lost_is_told_once() {
    let [mut lost, mut there] = twins().await;
    let client = Client::connect_any([lost.url(), there.url()], patient()).await.unwrap();
    there.kill9();
    assert_eq!(increment(&client, 0).await.unwrap().version, 2);
    there.start().await.unwrap();
    lost.kill9();
    let request =
        v1::GetAggregateRequest { r#type: "world".into(), id: "w0".into(), ..Default::default() };
    let told = client.get_aggregate(request).await.unwrap_err();
    assert_eq!(told.reason, "TOKEN_FOREIGN", "{told:?}");
    assert_eq!(read(&client, 0).await.version, 1);
}

async fn increment(client: &Client, writer: i64) -> gamemesh_client::Result<v1::WriteResult> {
    let increment = v1::IncrementOperation { path: "count".into(), by: 1.0, ..Default::default() };
    let operation = v1::Operation { kind: Some(Kind::Increment(increment)) };
    let update = v1::UpdateAggregateRequest {
        r#type: "world".into(),
        id: format!("w{writer}"),
        change: Some(Change::Operations(v1::Operations { operations: vec![operation] })),
        create_missing: true,
        result_only: true,
        ..Default::default()
    };
    Ok(client.update_aggregate(update).await?.write.unwrap())
}

async fn read(client: &Client, writer: i64) -> v1::Aggregate {
    let request = v1::GetAggregateRequest {
        r#type: "world".into(),
        id: format!("w{writer}"),
        ..Default::default()
    };
    client.get_aggregate(request).await.unwrap().aggregate.unwrap()
}
