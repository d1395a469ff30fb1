//! Transactions of others that stay open: readers of other event stores wait for them, or pass over
//! what they may hold.

use std::collections::BTreeMap;

use sqlx::{Connection as _, PgConnection};

use super::observer::Observer;
use super::{assert_counted, database, instance, rounds, run};
use crate::it::ledger::{client, count_up};

const WRITES: usize = 30;
const WRITERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_stay_open_neither_stall_nor_skip_a_watch() {
    let (url, elsewhere) = (database().await, database().await);
    let worlds = [instance(&url).await, instance(&url).await];
    let mut observer = Observer::on(&worlds[1]).await;
    let mut written = BTreeMap::new();
    write(&worlds, "before", &mut written).await;
    observer.sees(&written).await;

    let mut open = Vec::new();
    for url in [&url, &elsewhere] {
        let mut connection = PgConnection::connect(url).await.unwrap();
        run(&mut connection, "CREATE TABLE guests_table (n integer)").await;
        // A number of its own, a snapshot, and a row that nobody sees.
        run(&mut connection, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        run(&mut connection, "INSERT INTO guests_table VALUES (1); SELECT * FROM guests_table")
            .await;
        open.push(connection);
    }
    for round in 0..rounds(WRITES).div_ceil(WRITES) {
        write(&worlds, &format!("beside-{round}"), &mut written).await;
        observer.sees(&written).await;
    }

    for (mut connection, end) in open.into_iter().zip(["COMMIT", "ROLLBACK"]) {
        run(&mut connection, end).await;
        connection.close().await.unwrap();
    }
    write(&worlds, "after", &mut written).await;
    observer.sees(&written).await;
    assert_counted(&worlds[0], &written).await;
}

/// Writers at all instances, on documents of their own and on one that all share.
async fn write(
    worlds: &[gamemesh_testkit::World],
    name: &str,
    written: &mut BTreeMap<String, i64>,
) {
    let writers = (0..WRITERS).map(|writer| {
        let client = client(&worlds[writer % worlds.len()]);
        async move {
            for n in 0..WRITES {
                let id = if n % 3 == 0 { "hot".to_owned() } else { format!("{name}-{writer}") };
                let key = format!("{name}-{writer}-{n}");
                client.update_aggregate(count_up(&id, &key)).await.unwrap();
            }
        }
    });
    futures::future::join_all(writers).await;
    let hot = (0..WRITES).filter(|n| n % 3 == 0).count();
    *written.entry("hot".to_owned()).or_default() += (WRITERS * hot) as i64;
    for writer in 0..WRITERS {
        written.insert(format!("{name}-{writer}"), (WRITES - hot) as i64);
    }
}
