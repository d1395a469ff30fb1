//! One log for each service: schemas of one database that know nothing of each other.

use gamemesh_postgres::{PostgresOptions, PostgresStore, exists, migrate, schema_version};
use gamemesh_repository::{EventLog, Expected, LogName};

use crate::load::{append, event, name};
use crate::server::{Place, options};

fn of(log: LogName) -> PostgresOptions {
    PostgresOptions { connections_min: 0, connections_max: 12, ..PostgresOptions::of(log) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_lie_side_by_side_and_share_nothing() {
    let place = Place::database().await;
    let mut stores = Vec::new();
    for log in LogName::ALL {
        assert!(!exists(&place.url, &of(log)).await.unwrap());
        // Several instances come at the same time.
        let url = place.url.clone();
        let other = tokio::spawn(async move { PostgresStore::open(&url, of(log)).await.unwrap() });
        let store = PostgresStore::open(&place.url, of(log)).await.unwrap();
        assert_eq!(other.await.unwrap().incarnation(), store.incarnation());
        stores.push(store);
    }
    let stream = name("s");
    for (appends, store) in (1_u64..).zip(&stores) {
        for _ in 0..appends {
            let one = append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
            store.append(one).await.unwrap();
        }
    }
    for ((log, events), store) in LogName::ALL.into_iter().zip(1_u64..).zip(&stores) {
        let report = store.verify().await.unwrap();
        assert!(report.is_clean() && report.events == events, "{report:?}");
        let stats = store.stats().await.unwrap();
        assert!(stats.events == events && stats.bytes > 0, "{stats:?}");
        assert_eq!(store.lanes(), of(log).lanes);
        let same = stores.iter().filter(|other| other.incarnation() == store.incarnation());
        assert_eq!(same.count(), 1);
        assert!(exists(&place.url, &of(log)).await.unwrap());
        let again = migrate(&place.url, &of(log)).await.unwrap();
        let version = i64::from(schema_version(log));
        assert_eq!((again.from, again.to), (version, version));
    }
    let mut connection = place.connect().await;
    let schemas: Vec<String> = sqlx::query_scalar(
        "SELECT schemaname::text FROM pg_tables WHERE tablename = 'event' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(schemas, ["gameplay", "memory", "public", "stats"]);
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT schemaname::text FROM pg_tables WHERE tablename = 'player_states'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(tables, ["public"]);
}

#[tokio::test]
async fn the_state_lies_where_the_address_says() {
    let place = Place::fresh().await;
    let store = PostgresStore::open(&place.url, options()).await.unwrap();
    let mut connection = place.connect().await;
    let here: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables \
         WHERE schemaname = current_schema() AND tablename = 'player_states'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(here.len(), 1);
    store.close().await;
}
