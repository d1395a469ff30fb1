//! The feed of everything: dense, in order, for the whole of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::Lane;
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use pb::transaction_part::Action;
use pb::watch_aggregates_response::Message;

use super::calls::{increment, incremented, operations, part};
use super::watcher::{Watcher, scope};
use super::world::{Client, World};

const CLIENTS: usize = 6;
const WRITES: usize = 40;

/// What [`write`] writes: two updates, a transaction of two, a batch of two.
const EVENTS_PER_ROUND: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_sees_position_after_position() {
    let world = World::new().await;
    let client = world.client().await;
    let request = pb::WatchAggregatesRequest { changes_only: true, ..scope("", "") };
    let (mut watcher, _) = Watcher::begun(&client, request.clone()).await;
    let events = (CLIENTS * WRITES * EVENTS_PER_ROUND) as i64;

    let watching = tokio::spawn(async move {
        let mut last = 0;
        while last < events {
            match watcher.next().await.unwrap() {
                Message::Change(change) => {
                    let position = change.event.unwrap().position;
                    assert_eq!(position, last + 1, "a watcher");
                    last = position;
                }
                Message::Checkpoint(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    let log = world.stores().log.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let reading = tokio::spawn(async move {
        let (mut last, mut tail) = (0, log.tail(Lane(0)));
        while !stopped.load(Ordering::SeqCst) || last < *tail.borrow_and_update() {
            for event in log.read_lane(Lane(0), last, 100).await.unwrap() {
                assert_eq!(event.position, last + 1, "a reader of the log");
                last = event.position;
            }
            tokio::task::yield_now().await;
        }
        last
    });

    let mut writers = Vec::new();
    for n in 0..CLIENTS {
        let client = world.client().await;
        writers.push(tokio::spawn(async move {
            for _ in 0..WRITES {
                write(&client, n).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    assert_eq!(reading.await.unwrap() as i64, events);
    watching.await.unwrap();
    assert!(world.stores().log.verify().await.unwrap().is_clean());
}

async fn write(client: &Client, n: usize) {
    let own = format!("own-{n}");
    let one = |id: &str| operations("economy", id, vec![incremented("balances.gold", 1.0)]);
    increment(client, "economy", &own, "balances.gold", 1.0).await.unwrap();
    // Everybody's aggregate, so that chains of writes are shared.
    increment(client, "economy", "shared", "balances.gold", 1.0).await.unwrap();
    let add = |id: &str| {
        let operations = vec![incremented("balances.gold", 1.0)];
        part("economy", id, Action::Operations(pb::Operations { operations }))
    };
    let parts = vec![add(&own), add("shared")];
    let transaction = pb::TransactRequest { parts, ..Default::default() };
    client.clone().transact(transaction).await.unwrap();
    let updates = vec![one(&own), one("shared")];
    let batch = pb::BatchUpdateAggregatesRequest { updates };
    let answer = client.clone().batch_update_aggregates(batch).await.unwrap().into_inner();
    for result in answer.results {
        let updated = matches!(result.result, Some(pb::batch_update_result::Result::Updated(_)));
        assert!(updated, "{result:?}");
    }
}

/// The writer of an event offers it. What nobody here has written is read, and nothing else is, however
/// long the writers take to hear from the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_others_wrote_is_read_back() {
    const UPDATES: usize = 300;
    const BATCHES: usize = 8;
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let writer = World::on(postgres.url(), StateConfig::default()).await;
    let other = World::on(postgres.url(), StateConfig::default()).await;
    let batches = (0..CLIENTS).map(async |n| {
        let client = writer.client().await;
        for round in 0..BATCHES {
            let id = |update| format!("{n}-{}", (round * UPDATES + update) % 500);
            let update = |update| pb::UpdateAggregateRequest {
                create_missing: true,
                ..operations("economy", &id(update), vec![incremented("balances.gold", 1.0)])
            };
            let updates = (0..UPDATES).map(update).collect();
            let request = pb::BatchUpdateAggregatesRequest { updates };
            client.clone().batch_update_aggregates(request).await.unwrap();
        }
    });
    futures::future::join_all(batches).await;
    let events = (CLIENTS * BATCHES * UPDATES) as f64;
    let fed = async |world: &World, how| {
        world.metric(&format!("gamemesh_feed_events_total{{how=\"{how}\"}}")).await
    };
    assert_eq!(fed(&writer, "offered").await, events);
    // A machine that has other things to do may keep a writer waiting beyond all patience.
    let read = fed(&writer, "read").await;
    assert!(read < events / 20.0, "{read} of {events}");
    while fed(&other, "read").await < events {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(fed(&other, "offered").await, 0.0);
}
