//! Lanes move when instances come and go, and nobody waits for one who is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use gamemesh_testkit::World;
use gamemesh_testkit::http::get;
use gamemesh_testkit::postgres::Postgres;

use super::{OWNED, PATIENCE, owners, settled};
use crate::it::ledger::Ledger;

async fn world(postgres: &Postgres) -> World {
    let builder = World::builder()
        .services("state")
        .database_url(postgres.url())
        .env("POSTGRES_MAX_CONNS", "12");
    let owned = OWNED.iter().fold(builder, |builder, (key, value)| builder.env(key, *value));
    let mut world = owned.build().unwrap();
    world.start().await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_go_to_those_who_are_there() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let first = world(&postgres).await;
    settled(&first, 1).await;
    let mut second = world(&postgres).await;
    settled(&first, 2).await;
    let mut third = world(&postgres).await;
    settled(&first, 3).await;

    // Writers at one who stays, who never try again: nothing that others do may fail a request.
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let (mut ledger, stop) = (Ledger::open(&first, &format!("stays-{n}")), stop.clone());
            tokio::spawn(async move {
                ledger.write_until(&stop).await;
                ledger
            })
        })
        .collect();

    // One who stops in order gives its lanes away before it is gone.
    let before = owners(&first);
    assert!(second.stop().await.unwrap().success());
    let after = owners(&first);
    let gone = Some(second.address());
    for (before, after) in before.iter().zip(&after) {
        assert!(after.owner.is_some() && after.owner != gone, "{after:?}");
        assert_eq!(after.epoch > before.epoch, after.owner != before.owner, "{after:?}");
    }
    // One who dies keeps them until its lease is over.
    third.kill9();
    settled(&first, 1).await;
    second.start().await.unwrap();
    settled(&first, 2).await;

    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        let mut ledger = writer.await.unwrap();
        assert!(!ledger.is_in_doubt(), "{} failed", ledger.name());
        assert!(ledger.acknowledged() > 0);
        ledger.go_to(&second);
        ledger.check_after_death().await;
    }
}

/// Its database hangs for longer than the lease: nobody owns anything, and everything goes on after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_could_not_be_renewed_is_told_and_taken_again() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let world = world(&postgres).await;
    settled(&world, 1).await;
    let epochs: Vec<i64> = owners(&world).iter().map(|lane| lane.epoch).collect();
    until_lanes_are(&world, "healthy").await;

    postgres.pause(true).unwrap();
    until_lanes_are(&world, "degraded").await;
    postgres.pause(false).unwrap();
    let mut ledger = Ledger::open(&world, "after");
    settled(&world, 1).await;
    until_lanes_are(&world, "healthy").await;
    let again: Vec<i64> = owners(&world).iter().map(|lane| lane.epoch).collect();
    assert!(
        epochs.iter().zip(&again).all(|(before, again)| again > before),
        "{epochs:?} {again:?}"
    );
    let stop = AtomicBool::new(false);
    let writing = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(ledger.write_until(&stop), writing);
    assert!(!ledger.is_in_doubt() && ledger.acknowledged() > 0);
}

/// Waits until readiness says so of the lanes.
async fn until_lanes_are(world: &World, status: &str) {
    let began = Instant::now();
    loop {
        let ready = get(&world.address(), "/ready").await.unwrap();
        if ready.json()["checks"]["lanes"]["status"] == status {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the lanes are not {status}: {}", ready.text());
    }
}
