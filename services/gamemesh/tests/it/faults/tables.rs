//! An instance dies while it writes the tables: they are rows and a cursor, and go together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gamemesh_client::{Client, v1};
use gamemesh_testkit::World;
use sqlx::{Connection as _, PgConnection};

use super::{PATIENCE, database, rounds};
use crate::it::crash::{random, versions};
use crate::it::ledger::{assert_gone, client, count_up, strong};

const ROUNDS: usize = 3;
const WRITERS: usize = 4;

/// Each document is written once, and there is no other instance: nobody makes good what is lost. A
/// round has a database of its own, so that the last has no more documents than the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_between_the_rows_and_their_end_leaves_the_tables_whole() {
    for round in 0..rounds(ROUNDS) {
        let url = database().await;
        let builder =
            World::builder().services("state").database_url(&url).env("POSTGRES_MAX_CONNS", "12");
        let mut world = builder.build().unwrap();
        let made = Arc::new(AtomicU32::new(0));
        world.set_fault(Some(format!("postgres.mid_projection:{}", 8 + random(8))));
        world.start().await.unwrap();
        let writers: Vec<_> =
            (0..WRITERS).map(|_| tokio::spawn(write(client(&world), made.clone()))).collect();
        let died = world.wait(PATIENCE).await.unwrap();
        assert!(died.is_some_and(|status| !status.success()), "the point is not passed");
        for writer in writers {
            writer.await.unwrap();
        }

        world.set_fault(None);
        world.start().await.unwrap();
        let client = world.client().await.unwrap();
        let listed = versions(&client, "world").await;
        for n in 0..made.load(Ordering::Relaxed) {
            let id = format!("once-{n}");
            let there = client.get_aggregate(strong("world", &id)).await.is_ok();
            assert_eq!(listed.contains_key(&id), there, "{round}: {id} is not listed as it is");
        }
        assert!(world.stop().await.unwrap().success());
    }
}

/// It is the last of its lane: an event after it would have the rows before written again, if their
/// cursor were ahead of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_row_before_a_death_is_in_its_table() {
    let url = database().await;
    let builder =
        World::builder().services("state").database_url(&url).env("POSTGRES_MAX_CONNS", "12");
    let mut world = builder.build().unwrap();
    // What a new store begins with is written, so that the point is passed by the player's row.
    world.start().await.unwrap();
    assert!(world.stop().await.unwrap().success());
    let mut table = PgConnection::connect(&url).await.unwrap();
    for round in 0..rounds(ROUNDS) {
        world.set_fault(Some("postgres.mid_projection".to_owned()));
        world.start().await.unwrap();
        let id = format!("last-{round}");
        let put = v1::PutPlayerRequest {
            player_id: id.clone(),
            player: Some(v1::PlayerState::default()),
            ..Default::default()
        };
        if let Err(error) = client(&world).put_player(put).await {
            assert_gone(&error);
        }
        let died = world.wait(PATIENCE).await.unwrap();
        assert!(died.is_some_and(|status| !status.success()), "the point is not passed");

        world.set_fault(None);
        world.start().await.unwrap();
        let read = client(&world).get_aggregate(strong("player", &id)).await.unwrap();
        assert_eq!(read.aggregate.unwrap().version, 1);
        // A list waits for the tables.
        let listed = versions(&world.client().await.unwrap(), "player").await;
        let row: Option<i64> =
            sqlx::query_scalar("SELECT version FROM player_states WHERE player_id = $1")
                .bind(&id)
                .fetch_optional(&mut table)
                .await
                .unwrap();
        assert_eq!((listed.get(&id), row), (Some(&1), Some(1)), "{id} is not in the table");
        assert!(world.stop().await.unwrap().success());
    }
}

/// Makes one document after the other, until it fails.
async fn write(client: Client, made: Arc<AtomicU32>) {
    loop {
        let id = format!("once-{}", made.fetch_add(1, Ordering::Relaxed));
        if let Err(error) = client.update_aggregate(count_up(&id, &id)).await {
            return assert_gone(&error);
        }
    }
}
