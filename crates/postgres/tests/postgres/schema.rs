//! Making, migrating, refusing.

use gamemesh_postgres::{OpenError, PostgresOptions, PostgresStore, migrate, schema_version};
use gamemesh_repository::{
    Cursor, EventLog, Expected, Lane, LogName, PlayerRow, Projected, StateRows, TableRows,
    TableWriter,
};
use sqlx::Row;

use crate::load::{append, event, name};
use crate::server::{Place, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_make_one_store() {
    let place = Place::fresh().await;
    let opening: Vec<_> = (0..5)
        .map(|n| {
            let place = place.clone();
            let options = PostgresOptions { lanes: n + 1, ..options() };
            tokio::spawn(async move { PostgresStore::open(&place.url, options).await.unwrap() })
        })
        .collect();
    let mut stores = Vec::new();
    for opening in opening {
        stores.push(opening.await.unwrap());
    }
    let first = (stores[0].incarnation(), stores[0].lanes());
    assert!(stores.iter().all(|store| (store.incarnation(), store.lanes()) == first));
    let migrated = migrate(&place.url, &options()).await.unwrap();
    let version = i64::from(schema_version(LogName::State));
    assert_eq!((migrated.from, migrated.to), (version, version));
    let mut connection = place.connect().await;
    let lanes: i64 =
        sqlx::query_scalar("SELECT count(*) FROM lane").fetch_one(&mut connection).await.unwrap();
    assert_eq!(lanes, i64::from(first.1));
}

#[tokio::test]
async fn what_is_not_ours_is_refused() {
    let place = Place::fresh().await;
    let read_only = || PostgresOptions { read_only: true, ..options() };
    let missing = PostgresStore::open(&place.url, read_only()).await.err().unwrap();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    let mut connection = place.connect().await;
    sqlx::raw_sql("CREATE TABLE event (ours text)").execute(&mut connection).await.unwrap();
    let foreign = PostgresStore::open(&place.url, options()).await.err().unwrap();
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
    sqlx::raw_sql("DROP TABLE event").execute(&mut connection).await.unwrap();
    let store = place.open().await;
    let stream = name("s");
    let one = || append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
    store.append(one()).await.unwrap();
    let reading = PostgresStore::open(&place.url, read_only()).await.unwrap();
    assert_eq!(reading.append(one()).await.unwrap_err().code().reason(), "STORAGE_READ_ONLY");
    assert_eq!(reading.head(&stream).await.unwrap().unwrap().version, 1);
    assert_eq!(reading.stats().await.unwrap().events, 1);
    sqlx::raw_sql("UPDATE gamemesh_schema SET version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    let newer = PostgresStore::open(&place.url, options()).await.err().unwrap();
    assert!(matches!(newer, OpenError::Newer { found: 99, .. }), "{newer}");
}

#[tokio::test]
async fn damage_is_found() {
    let place = Place::fresh().await;
    let store = place.open().await;
    for number in 0..20 {
        let stream = name(&format!("s{}", number % 5));
        store
            .append(append(vec![(stream, Expected::Any, vec![event(b"a"), event(b"b")])]))
            .await
            .unwrap();
    }
    let mut connection = place.connect().await;
    // What is done, how it is undone, and how many violations it makes at least.
    let damages = [
        ("UPDATE event SET data = 'x' WHERE lane = 0 AND position = 2", "checksum"),
        ("UPDATE event SET version = 77 WHERE lane = 0 AND position = 2", "version"),
        (
            "UPDATE batch SET chain = decode(repeat('11', 32), 'hex') WHERE lane = 0 AND first_position = 1",
            "chain",
        ),
        ("UPDATE lane SET chain = decode(repeat('11', 32), 'hex') WHERE lane = 0", "link"),
        ("DELETE FROM event WHERE lane = 0 AND position = 1", "events"),
        ("DELETE FROM batch WHERE lane = 0 AND first_position = 1", "no batch"),
        ("UPDATE lane SET position = position - 1 WHERE lane = 0", "beyond"),
        ("INSERT INTO stream VALUES (1, 'test/lonely')", "without events"),
    ];
    assert!(store.verify().await.unwrap().is_clean());
    for (damage, what) in damages {
        let mut transaction = sqlx::Connection::begin(&mut connection).await.unwrap();
        sqlx::raw_sql("CREATE TEMP TABLE kept_event AS TABLE event; CREATE TEMP TABLE kept_batch AS TABLE batch; CREATE TEMP TABLE kept_lane AS TABLE lane; CREATE TEMP TABLE kept_stream AS TABLE stream").execute(&mut *transaction).await.unwrap();
        sqlx::raw_sql(damage).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let report = store.verify().await.unwrap();
        assert!(report.violations.iter().any(|v| v.what.contains(what)), "{damage}: {report:?}");
        sqlx::raw_sql("BEGIN; TRUNCATE event, batch, lane, stream; INSERT INTO event TABLE kept_event; INSERT INTO batch TABLE kept_batch; INSERT INTO lane TABLE kept_lane; INSERT INTO stream TABLE kept_stream; DROP TABLE kept_event, kept_batch, kept_lane, kept_stream; COMMIT").execute(&mut connection).await.unwrap();
        assert!(store.verify().await.unwrap().is_clean(), "{damage}");
    }
}

#[tokio::test]
async fn sql_users_find_the_documents() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let player = PlayerRow {
        player_id: "p".to_owned(),
        deleted: false,
        status: "online".to_owned(),
        level: 3,
        experience: 4,
        health: 5.5,
        position: [1.0, 2.0, 3.0],
        inventory: r#"{"sword":{"count":2},"nul":"a\u0000b"}"#.to_owned(),
        statistics: r#"{"kills":7}"#.to_owned(),
        achievements: r#"["first"]"#.to_owned(),
        last_updated_us: i64::MAX,
        version: 1,
    };
    let to = Cursor { projection: "p".to_owned(), lane: Lane(0), position: 1 };
    let rows = StateRows { players: vec![player], matches: vec![] };
    let rows = Projected { from: 0, to, rows: vec![TableRows::State(rows)] };
    store.write(rows).await.unwrap();
    let mut connection = place.connect().await;
    let row = sqlx::query(
        "SELECT player_id, inventory->>'nul', last_updated > '2026-01-01' FROM player_states \
         WHERE inventory @> '{\"sword\":{\"count\":2}}' AND statistics @> '{\"kills\":7}'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(row.get::<&str, _>(0), "p");
    assert_eq!(row.get::<&str, _>(1), "a\u{fffd}b");
    assert!(row.get::<bool, _>(2));
    let indexes: Vec<String> = sqlx::query_scalar(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'player_states' \
         AND schemaname = current_schema()",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for part in [
        "gin (inventory)",
        "gin (statistics)",
        "btree (status)",
        "(last_updated DESC)",
        "btree (level)",
    ] {
        assert!(indexes.iter().any(|index| index.contains(part)), "{part}: {indexes:?}");
    }
}
