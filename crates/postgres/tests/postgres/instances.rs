//! Several instances on one database.

use std::time::{Duration, Instant};

use gamemesh_repository::{AppendError, Direction, EventLog, Expected, Idempotency, Lane};
use sqlx::Connection;
use sqlx::PgConnection;

use crate::load::{self, append, event, name};
use crate::server::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_write_the_same_hot_streams() {
    let place = Place::fresh().await;
    let stores = [place.open().await, place.open().await, place.open().await];
    let readers = [load::follow(&stores[0]), load::follow(&stores[2])];
    let load = load::start(&stores, 12, 7);
    load.more(1_500).await;
    let account = load.stop().await;
    let [first, second] = readers;
    let events = first.stop().await;
    assert_eq!(second.stop().await.len(), events.len());
    assert!(account.unresolved.is_empty());
    assert!(account.errors.keys().all(|code| code == "VersionConflict"), "{:?}", account.errors);
    load::check(&stores[1], &account, &events).await;
}

/// A chain of expectations, each pushed before the last is answered, by one instance while another
/// keeps moving the lane.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_expectations_hold_beside_another_writer() {
    let place = Place::fresh().await;
    let (ours, other) = (place.open().await, place.open().await);
    let chain = name("chain");
    let lane = chain.lane(ours.lanes());
    let beside = (0..).map(|n| name(&format!("b{n}"))).find(|b| b.lane(ours.lanes()) == lane);
    let beside = beside.unwrap();
    for round in 0..10_u64 {
        let mut pending = Vec::new();
        for version in round * 20..round * 20 + 20 {
            let parts = vec![(chain.clone(), Expected::Exact(version), vec![event(b"c")])];
            pending.push(ours.append(append(parts)));
            let parts = vec![(beside.clone(), Expected::Any, vec![event(b"b")])];
            pending.push(other.append(append(parts)));
        }
        for pending in pending {
            pending.await.unwrap();
        }
    }
    assert_eq!(ours.head(&chain).await.unwrap().unwrap().version, 200);
    assert_eq!(ours.head(&beside).await.unwrap().unwrap().version, 200);
    // What one instance answers holds at that moment, not as of its last batch.
    let stale = vec![(beside.clone(), Expected::Exact(3), vec![event(b"x")])];
    let refused = ours.append(append(stale)).await;
    assert!(matches!(&refused, Err(AppendError::Conflict { actual: 200, .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_over_instances_and_lanes_is_one_append() {
    let place = Place::fresh().await;
    let stores = [place.open().await, place.open().await, place.open().await];
    let mut repeated = 0;
    for round in 0..15 {
        let tries: Vec<_> = (0..6_usize)
            .map(|attempt| {
                // Another stream each time: the lanes do not bring the tries together.
                let stream = name(&format!("{round}/{attempt}"));
                let mut append = append(vec![(stream, Expected::Any, vec![event(b"k")])]);
                append.idempotency =
                    Some(Idempotency { key: format!("k{round}"), fingerprint: [7; 16] });
                stores[attempt % 3].append(append)
            })
            .collect();
        let mut results = Vec::new();
        for attempt in tries {
            results.push(attempt.await.unwrap());
        }
        assert_eq!(results.iter().filter(|result| !result.repeated).count(), 1);
        assert!(results.iter().all(|result| result.streams == results[0].streams));
        repeated += results.iter().filter(|result| result.repeated).count();
    }
    assert_eq!(repeated, 15 * 5);
    let report = stores[0].verify().await.unwrap();
    assert!(report.is_clean() && report.events == 15, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_learn_of_an_append_soon() {
    let place = Place::fresh().await;
    let (ours, other) = (place.open().await, place.open().await);
    for round in 0..10 {
        let stream = name(&format!("s{round}"));
        let parts = vec![(stream, Expected::Any, vec![event(b"e")])];
        let appended = ours.append(append(parts)).await.unwrap().streams.remove(0);
        assert_eq!(*ours.tail(appended.lane).borrow(), appended.last_position);
        let mut tail = other.tail(appended.lane);
        let learned = tail.wait_for(|position| *position >= appended.last_position);
        tokio::time::timeout(Duration::from_secs(2), learned).await.unwrap().unwrap();
        assert_eq!(
            other.read_lane(appended.lane, 0, 100).await.unwrap().len() as u64,
            appended.last_position
        );
    }
}

/// A token names the tail, so whatever was read must lie within it, also what another instance has just
/// written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_lies_within_the_tail() {
    let place = Place::fresh().await;
    let (ours, other) = (place.open().await, place.open().await);
    for round in 1..=40 {
        let stream = name(&format!("s{}", round % 2));
        let parts = vec![(stream.clone(), Expected::Any, vec![event(b"e")])];
        let appended = ours.append(append(parts)).await.unwrap().streams.remove(0);
        let read = match round % 4 {
            0 => other.head(&stream).await.unwrap().unwrap().position,
            1 => {
                let all = other.read_stream(&stream, 1, 100, Direction::Forward).await.unwrap();
                all.last().unwrap().position
            }
            2 => {
                let last = other.read_stream(&stream, u64::MAX, 1, Direction::Backward).await;
                last.unwrap()[0].position
            }
            _ => other.read_lane(appended.lane, 0, 100).await.unwrap().len() as u64,
        };
        assert_eq!(read, appended.last_position);
        assert!(*other.tail(appended.lane).borrow() >= read, "round {round}");
    }
}

/// Readers of other event stores wait for every open transaction, or pass over what it may hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_transactions_neither_stall_nor_skip_the_feed() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let mut here = place.connect().await;
    let base = place.url.split_once('?').unwrap().0.rsplit_once('/').unwrap().0;
    let mut elsewhere = PgConnection::connect(&format!("{base}/postgres")).await.unwrap();
    for connection in [&mut here, &mut elsewhere] {
        // A transaction with a number of its own, and a snapshot.
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
            .execute(connection)
            .await
            .unwrap();
    }
    let reader = load::follow(&store);
    let load = load::start(std::slice::from_ref(&store), 6, 9);
    load.more(400).await;
    let account = load.stop().await;
    let began = Instant::now();
    let events = reader.stop().await;
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(events.len() > 400);
    load::check(&store, &account, &events).await;
    here.close().await.unwrap();
    elsewhere.close().await.unwrap();
}

/// An instance that sleeps with a lane in its hands: the lane is taken from it after a bounded time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_owner_is_waited_for_only_so_long() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let stream = name("s");
    let one = || append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
    store.append(one()).await.unwrap();
    let mut sleeper = place.connect().await;
    sqlx::raw_sql(
        "SET idle_in_transaction_session_timeout = '1s'; BEGIN; SELECT * FROM lane FOR UPDATE",
    )
    .execute(&mut sleeper)
    .await
    .unwrap();
    let began = Instant::now();
    store.append(one()).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(store.read_lane(stream.lane(4), 0, 9).await.unwrap().len(), 2);
    assert!(store.read_lane(Lane(9), 0, 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_tells_its_own_from_what_others_have_written() {
    let place = Place::fresh().await;
    let (one, other) = (place.open().await, place.open().await);
    let stream = name("s");
    let lane = stream.lane(one.lanes());
    // Positions 1 to 3, 4 to 6 …, in turns: the second write of each goes by way of holding the lane.
    for round in 0..6_u8 {
        let store = if round % 2 == 0 { &one } else { &other };
        let numbers = 3 * round + 1..=3 * round + 3;
        let events = numbers.map(|number| event(&[number])).collect();
        store.append(append(vec![(stream.clone(), Expected::Any, events)])).await.unwrap();
    }
    for (after, here, there) in [
        (0, Some(1..=3), Some(4..=6)),
        (2, Some(3..=3), Some(4..=6)),
        (4, Some(7..=9), Some(5..=6)),
        (6, Some(7..=9), Some(10..=12)),
        (15, None, Some(16..=18)),
        (18, None, None),
    ] {
        assert_eq!(
            (one.local_runs(lane, after), other.local_runs(lane, after)),
            (here, there),
            "{after}"
        );
    }
}
