//! Positions, versions and visibility while many write.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Fixture;
use super::Store;
use super::sample::{append, conflict, event, name, one, part};
use crate::{AppendError, Direction, Event, Expected, Lane, StreamName};

const WRITERS: u64 = 8;
const ROUNDS: u64 = 40;
const STREAMS: u64 = 5;

/// An observation that was asked for has come by then, also on a machine that has other things to do.
const OBSERVATION_MAX: Duration = Duration::from_secs(10);

/// Reads a lane to `end`, as a subscriber would, and checks that nothing is ever missing.
async fn follow(store: Arc<dyn Store>, lane: Lane, done: Arc<AtomicBool>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let finished = done.load(Ordering::SeqCst);
        let after = events.len() as u64;
        let read = store.read_lane(lane, after, 7).await.unwrap();
        let empty = read.is_empty();
        for event in read {
            assert_eq!(event.position, events.len() as u64 + 1);
            assert_eq!(event.lane, lane);
            events.push(event);
        }
        if empty && finished {
            return events;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn dense_under_concurrency<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..store.lanes())
        .map(|lane| tokio::spawn(follow(store.clone(), Lane(lane), done.clone())))
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut written = 0;
                for round in 0..ROUNDS {
                    let stream = name(&format!("s{}", (writer + round) % STREAMS));
                    let number = (writer * ROUNDS + round) * 10;
                    let expected = match round % 3 {
                        0 => Expected::Any,
                        _ => {
                            let head = store.head(&stream).await.unwrap();
                            Expected::Exact(head.map_or(0, |head| head.version))
                        }
                    };
                    let numbers = number..=number + round % 3;
                    match store.append(one(&stream, expected, numbers)).await {
                        Ok(appended) => {
                            let head = store.head(&stream).await.unwrap().unwrap();
                            assert!(head.version >= appended.streams[0].last_version);
                            written += round % 3 + 1;
                        }
                        refused => assert!(conflict(refused).1 > 0 || expected != Expected::Any),
                    }
                }
                written
            })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let mut versions: HashMap<StreamName, u64> = HashMap::new();
    let mut seen = 0;
    for reader in readers {
        for event in reader.await.unwrap() {
            let version = versions.entry(event.stream.clone()).or_default();
            *version += 1;
            assert_eq!(event.version, *version, "{}", event.stream);
            seen += 1;
        }
    }
    assert_eq!(seen, written);
    assert!(store.verify().await.unwrap().is_clean());
}

pub async fn calls_are_decided_in_order<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (chain, side) = (name("chain"), name("side"));
    let pending: Vec<_> = (0..300)
        .flat_map(|version| {
            let next = one(&chain, Expected::Exact(version), [version]);
            [store.append(next), store.append(one(&side, Expected::Any, [1_000 + version]))]
        })
        .collect();
    // Awaited backward: the place in the queue is that of the call.
    for pending in pending.into_iter().rev() {
        pending.await.unwrap();
    }
    for (stream, base) in [(&chain, 0), (&side, 1_000)] {
        let read = store.read_stream(stream, 1, 1_000, Direction::Forward).await.unwrap();
        let ids: Vec<_> = read.iter().map(|e| e.id).collect();
        let called: Vec<_> = (0..300).map(|version| event(base + version).id).collect();
        assert_eq!(ids, called);
    }
    // A call whose future is dropped stays where it was.
    drop(store.append(one(&chain, Expected::Exact(300), [300])));
    store.append(one(&chain, Expected::Exact(301), [301])).await.unwrap();
}

pub async fn each_is_decided_by_itself<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (chain, side) = (name("chain"), name("side"));
    // The second builds on the first, the third is too late, the fourth breaks a bound.
    let appends = vec![
        one(&chain, Expected::Exact(0), [1]),
        one(&chain, Expected::Exact(1), [2]),
        one(&chain, Expected::Exact(0), [3]),
        one(&side, Expected::Any, []),
        one(&side, Expected::Any, [4]),
    ];
    let mut results = store.append_each(appends).await.into_iter();
    let mut next = || results.next().unwrap();
    assert_eq!(next().unwrap().streams[0].last_version, 1);
    assert_eq!(next().unwrap().streams[0].last_version, 2);
    assert_eq!(conflict(next()), (chain, 2));
    assert!(matches!(next(), Err(AppendError::Invalid(_))));
    assert_eq!(next().unwrap().streams[0].last_version, 1);
    assert!(results.next().is_none());
    assert!(store.append_each(Vec::new()).await.is_empty());
}

/// Every append has three events over two streams of one lane; a read that is long enough must see
/// a multiple of three.
pub async fn visible_all_at_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let a = name("a");
    let lane = a.lane(store.lanes());
    let b = (0..).map(|n| name(&format!("b{n}"))).find(|b| b.lane(store.lanes()) == lane).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, done) = (store.clone(), done.clone());
        async move {
            let mut reads = 0;
            while !done.load(Ordering::SeqCst) {
                let read = store.read_lane(lane, 0, usize::MAX).await.unwrap();
                assert_eq!(read.len() % 3, 0);
                reads += 1;
            }
            reads
        }
    });
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let (store, a, b) = (store.clone(), a.clone(), b.clone());
            tokio::spawn(async move {
                for round in 0..30 {
                    let number = (writer * 30 + round) * 3;
                    let parts = vec![
                        part(&a, Expected::Any, [number]),
                        part(&b, Expected::Any, [number + 1, number + 2]),
                    ];
                    store.append(append(parts)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
}

/// An observation that began after an acknowledgement finds what was acknowledged, and one comes when it
/// is asked for. The sole writer needs none: its tail is the end at once.
pub async fn an_observation_finds_what_was_acknowledged<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let lane = stream.lane(store.lanes());
    let mut observations = store.tail_observations(lane);
    assert!(observations.is_some() || store.is_sole_writer());
    let mut last = None;
    for number in 1..=20 {
        store.append(one(&stream, Expected::Any, [number])).await.unwrap();
        assert!(*store.tail(lane).borrow() >= number);
        let Some(observations) = &mut observations else { continue };
        let acknowledged = Instant::now();
        store.refresh_tail();
        let observed = observations.wait_for(|found| found.at >= acknowledged);
        let observed = tokio::time::timeout(OBSERVATION_MAX, observed).await.unwrap();
        let found = *observed.unwrap();
        assert!(found.position >= number && found.at <= Instant::now(), "{found:?}");
        assert!(*store.tail(lane).borrow() >= found.position);
        assert!(last.is_none_or(|last| last < found.at), "{found:?} after {last:?}");
        last = Some(found.at);
    }
}

pub async fn the_tail_follows<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let lane = stream.lane(store.lanes());
    let mut tail = store.tail(lane);
    assert_eq!(*tail.borrow_and_update(), 0);
    let appended = store.append(one(&stream, Expected::Any, [1, 2])).await.unwrap();
    // Whoever has the answer finds the tail there already.
    assert_eq!(*tail.borrow_and_update(), appended.streams[0].last_position);
    let waiting =
        tokio::spawn(async move { *tail.wait_for(|position| *position >= 3).await.unwrap() });
    store.append(one(&stream, Expected::Any, [3])).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 3);
    assert_eq!(store.read_lane(lane, 2, 10).await.unwrap().len(), 1);
    drop(store);
    fixture.reopen().await;
    assert_eq!(*fixture.store().tail(lane).borrow(), 3);
}

pub async fn what_was_appended_here_is_a_local_run<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let lane = stream.lane(store.lanes());
    assert_eq!(store.local_runs(lane, 0), None);
    for last in [3, 4, 9] {
        let before = *store.tail(lane).borrow();
        store.append(one(&stream, Expected::Any, before + 1..=last)).await.unwrap();
        for after in before..last {
            assert_eq!(store.local_runs(lane, after), Some(after + 1..=last));
        }
        assert_eq!(store.local_runs(lane, last), None);
    }
    let refused = store.append(one(&stream, Expected::Exact(1), [10])).await;
    assert!(matches!(refused, Err(AppendError::Conflict { .. })), "{refused:?}");
    assert_eq!((store.local_runs(lane, 0), store.local_runs(lane, 9)), (Some(1..=9), None));
}
