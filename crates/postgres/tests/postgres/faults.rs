//! Servers that die, hang, and lose replies.

use std::time::{Duration, Instant};

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::{EventLog, Expected};
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::proxy::{Cut, Proxy};

use crate::load::{self, append, event, name};
use crate::server::{Place, options};

/// In the data of the events whose batches shall be noticed.
const MARK: &[u8] = b"cut the reply to this";

/// The answer to a batch ends with `ReadyForQuery`, which comes after its commit.
const COMMITTED: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_server_loses_and_doubles_nothing() {
    let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let place = Place::on(server.url()).await;
    let stores = [place.open().await, place.open().await];
    let reader = load::follow(&stores[0]);
    let load = load::start(&stores, 12, 40);
    load.more(200).await;
    let mut server = server;
    for _ in 0..3 {
        server = tokio::task::spawn_blocking(move || {
            server.kill().unwrap();
            server.start_again().unwrap();
            server
        })
        .await
        .unwrap();
        let began = Instant::now();
        load.more(200).await;
        println!("recovered in {:?}", began.elapsed());
    }
    let account = load.stop().await;
    let events = reader.stop().await;
    assert!(account.unresolved.is_empty(), "{} in doubt", account.unresolved.len());
    load::check(&stores[1], &account, &events).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_refused_quickly_and_taken_up_again() {
    let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let place = Place::on(server.url()).await;
    let store = place.open().await;
    let one = || append(vec![(name("s"), Expected::Any, vec![event(b"e")])]);
    store.append(one()).await.unwrap();
    let server = tokio::task::spawn_blocking(move || {
        server.kill().unwrap();
        server
    })
    .await
    .unwrap();
    while store.pool_statistics().breaker_is_closed {
        assert_eq!(store.ping().await.unwrap_err().code().reason(), "DEPENDENCY_UNAVAILABLE");
    }
    // The breaker spares the callers the attempts.
    let began = Instant::now();
    let mut refused = 0;
    for _ in 0..200 {
        refused += u32::from(store.ping().await.is_err());
    }
    assert_eq!(refused, 200);
    // 200 attempts at a server that is away would take longer than this.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    tokio::task::spawn_blocking(move || {
        server.start_again().unwrap();
        server
    })
    .await
    .map(|server| async move {
        // Nobody asks: the look at the lanes is the probe.
        let began = Instant::now();
        while !store.pool_statistics().breaker_is_closed {
            assert!(began.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        store.append(one()).await.unwrap();
        let head = store.head(&name("s")).await.unwrap().unwrap();
        assert_eq!(head.version, 2);
        drop(server);
    })
    .unwrap()
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_found_out() {
    let place = Place::fresh().await;
    let proxy = Proxy::before(&place.url).await.unwrap();
    let url = proxy.instead_of(&place.url);
    let store = PostgresStore::open(&url, options()).await.unwrap();
    let beside = place.open().await;
    let stream = name("s");
    let mut versions = 0;
    for round in 0..12_u64 {
        let cut = Cut::Answered { request: MARK.to_vec(), ends: COMMITTED.to_vec() };
        proxy.cut_when(cut, 1);
        let began = Instant::now();
        // Held lanes commit with a statement of their own, of which the reply is cut in the same way.
        if round % 3 == 2 {
            let other = vec![(stream.clone(), Expected::Any, vec![event(b"other")])];
            beside.append(append(other)).await.unwrap();
            versions += 1;
        }
        let parts = vec![(stream.clone(), Expected::Exact(versions), vec![event(MARK)])];
        let appended = store.append(append(parts)).await.unwrap();
        assert!(!appended.repeated, "round {round}");
        versions += 1;
        assert_eq!(appended.streams[0].last_version, versions, "round {round}");
        assert_eq!(proxy.cuts_left(), 0, "round {round}");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
    assert_eq!(beside.head(&stream).await.unwrap().unwrap().version, versions);
    assert!(beside.verify().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_for_a_connection_is_bounded() {
    let place = Place::fresh().await;
    let options = PostgresOptions {
        lanes: 1,
        connections_min: 0,
        connections_max: 3,
        waiters_max: 2,
        wait_max: Duration::from_millis(300),
        ..PostgresOptions::default()
    };
    let store = PostgresStore::open(&place.url, options).await.unwrap();
    let stream = name("s");
    let one = || append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
    store.append(one()).await.unwrap();
    // One connection for reading; a lock on the table keeps it busy.
    let mut locker = place.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE snapshot IN ACCESS EXCLUSIVE MODE")
        .execute(&mut locker)
        .await
        .unwrap();
    let held = tokio::spawn({
        let (store, stream) = (store.clone(), stream.clone());
        async move { gamemesh_repository::Snapshots::snapshot_at(&*store, &stream, 1, 1).await }
    });
    while store.pool_statistics().in_use == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.ping().await })
        })
        .collect();
    while store.pool_statistics().waiters < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.ping().await.unwrap_err().code().reason(), "POOL_EXHAUSTED");
    for waiting in waiting {
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.code().reason(), "POOL_EXHAUSTED");
    }
    assert!(began.elapsed() >= Duration::from_millis(300));
    // The appends have connections of their own.
    store.append(one()).await.unwrap();
    let statistics = store.pool_statistics();
    assert_eq!((statistics.refused_total, statistics.timed_out_total), (1, 2));
    assert!(statistics.wait_us_total >= 600_000, "{statistics:?}");
    assert_eq!((statistics.in_use, statistics.waiters), (1, 0));
    assert!(statistics.breaker_is_closed);
    sqlx::raw_sql("ROLLBACK").execute(&mut locker).await.unwrap();
    held.await.unwrap().unwrap();
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_for_a_while_is_waited_for() {
    let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let place = Place::on(server.url()).await;
    let store = place.open().await;
    let reader = load::follow(&store);
    let load = load::start(std::slice::from_ref(&store), 8, 20);
    load.more(100).await;
    let server = tokio::task::spawn_blocking(move || {
        server.pause(true).unwrap();
        std::thread::sleep(Duration::from_secs(2));
        server.pause(false).unwrap();
        server
    })
    .await
    .unwrap();
    load.more(100).await;
    let account = load.stop().await;
    let events = reader.stop().await;
    // On a busy machine the hang can outlast a time-out, whose refusal is typed and loses nothing.
    let accepted = |code: &String| code == "VersionConflict" || code == "DependencyUnavailable";
    assert!(account.errors.keys().all(accepted), "{:?}", account.errors);
    load::check(&store, &account, &events).await;
    drop(server);
}

/// As after a restart that was over before anybody asked: all that were idle have ended, and nobody who
/// reads has to know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_ended_while_idle_fail_no_read() {
    const READERS: usize = 12;
    // Its own: connections of other tests would make it run out of them.
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let place = Place::on(postgres.url()).await;
    let store = place.open().await;
    let mut admin = place.connect().await;
    let streams: Vec<_> = (0..READERS).map(|n| name(&format!("s{n}"))).collect();
    let reads = || streams.iter().map(|stream| store.head(stream));
    for round in 0..6 {
        // A few would show nothing.
        let began = Instant::now();
        while store.pool_statistics().idle < 4 {
            assert!(began.elapsed() < Duration::from_secs(60), "round {round}");
            futures::future::try_join_all(reads()).await.unwrap();
        }
        let ended: Vec<bool> = sqlx::query_scalar(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE \
             datname = current_database() AND pid <> pg_backend_pid()",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        // One may have gone by itself meanwhile.
        assert!(ended.iter().filter(|ended| **ended).count() > 2, "round {round}: {ended:?}");
        // At once, or one after the other.
        if round % 2 == 0 {
            futures::future::try_join_all(reads()).await.unwrap();
        } else {
            for read in reads() {
                read.await.unwrap();
            }
        }
    }
    assert!(store.pool_statistics().breaker_is_closed);
}
