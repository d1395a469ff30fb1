//! Which loads go together, and what becomes of each, over a log whose answers come when a test says so.

mod gated;

use std::time::Duration;

use tokio::task::JoinHandle;

use self::gated::Gated;
use super::*;

type Loaded = Result<(Arc<Aggregate>, Position), LogError>;

fn stream(number: usize) -> StreamName {
    StreamName::new("guild", &number.to_string())
}

fn loads() -> (Arc<Gated>, Arc<BatchLoader>) {
    let log = Gated::new();
    let history = History::new(log.clone(), log.store.clone(), log.store.clone());
    (log, Arc::new(BatchLoader::new(history)))
}

/// Asks while as many as can be are on their way, and returns when the load waits.
async fn ask(loads: &Arc<BatchLoader>, stream: StreamName) -> JoinHandle<Loaded> {
    let waiting = loads.batcher.waiting();
    let asking = loads.clone();
    let asked = tokio::spawn(async move { asking.newest_at(&stream).await });
    until(|| loads.batcher.waiting() > waiting).await;
    asked
}

async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
}

/// BatchLoader that are on their way alone, as many as can be, of streams from 1,000 on.
async fn fill(log: &Gated, loads: &Arc<BatchLoader>) -> Vec<JoinHandle<Loaded>> {
    let mut alone = Vec::new();
    for number in 0..IN_FLIGHT_MAX {
        let (loads, stream) = (loads.clone(), stream(1_000 + number));
        alone.push(tokio::spawn(async move { loads.newest_at(&stream).await }));
    }
    until(|| log.sent() == vec![1; IN_FLIGHT_MAX]).await;
    alone
}

async fn version(loaded: JoinHandle<Loaded>) -> u64 {
    loaded.await.unwrap().unwrap().0.version
}

#[tokio::test]
async fn those_that_come_while_others_are_on_their_way_go_together() {
    let (log, loads) = loads();
    for number in 0..50 {
        log.append(&stream(number), 1 + number % 3).await;
    }
    let alone = fill(&log, &loads).await;
    let mut together = Vec::new();
    for number in 0..50 {
        together.push(ask(&loads, stream(number)).await);
    }
    // The first that is back takes all that wait, in one read.
    log.answer(1);
    until(|| log.sent().len() == IN_FLIGHT_MAX + 1).await;
    assert_eq!(log.sent()[IN_FLIGHT_MAX..], [50]);
    log.answer(IN_FLIGHT_MAX);
    for (number, loaded) in together.into_iter().enumerate() {
        let (aggregate, position) = loaded.await.unwrap().unwrap();
        assert_eq!(aggregate.version, 1 + number as u64 % 3);
        assert_eq!(position, log.position(&stream(number)).await);
    }
    for alone in alone {
        assert_eq!(version(alone).await, 0);
    }
    until(|| loads.batcher.in_flight() == 0).await;
    // Whoever is alone again waits for nobody.
    log.answer(1);
    loads.newest_at(&stream(1)).await.unwrap();
    assert_eq!(log.sent()[IN_FLIGHT_MAX + 1..], [1]);
}

#[tokio::test]
async fn a_group_is_bounded_and_the_rest_goes_with_the_next() {
    let (log, loads) = loads();
    let _alone = fill(&log, &loads).await;
    let mut together = Vec::new();
    for number in 0..BATCH_STREAMS_MAX + 3 {
        together.push(ask(&loads, stream(number)).await);
    }
    log.answer(1);
    until(|| log.sent().len() == IN_FLIGHT_MAX + 1).await;
    assert_eq!(log.sent()[IN_FLIGHT_MAX..], [BATCH_STREAMS_MAX]);
    log.answer(1);
    until(|| log.sent().len() == IN_FLIGHT_MAX + 2).await;
    assert_eq!(log.sent()[IN_FLIGHT_MAX + 1..], [3]);
    log.answer(IN_FLIGHT_MAX);
    for loaded in together {
        assert_eq!(version(loaded).await, 0);
    }
}

/// Its group has been read when a version comes that the cache may give the next load as its floor.
#[tokio::test]
async fn nobody_gets_what_was_read_before_he_came() {
    let (log, loads) = loads();
    let stream = stream(0);
    log.append(&stream, 1).await;
    let _alone = fill(&log, &loads).await;
    let early = ask(&loads, stream.clone()).await;
    log.answer(1);
    until(|| log.sent().len() == IN_FLIGHT_MAX + 1).await;
    log.append(&stream, 1).await;
    let late = ask(&loads, stream.clone()).await;
    log.answer(IN_FLIGHT_MAX + 1);
    assert_eq!(version(early).await, 1);
    assert_eq!(version(late).await, 2);
}

#[tokio::test]
async fn whoever_goes_away_takes_nobody_with_him() {
    let (log, loads) = loads();
    log.append(&stream(2), 1).await;
    let alone = fill(&log, &loads).await;
    let mut together = Vec::new();
    for number in 0..4 {
        together.push(ask(&loads, stream(number)).await);
    }
    // One goes before the group is sent, and is not asked for; one while it is on its way.
    together[0].abort();
    until(|| together[0].is_finished()).await;
    for alone in &alone {
        alone.abort();
    }
    until(|| log.sent().len() == IN_FLIGHT_MAX + 1).await;
    assert_eq!(log.sent()[IN_FLIGHT_MAX..], [3]);
    together[1].abort();
    until(|| together[1].is_finished()).await;
    log.answer(1);
    assert_eq!(version(together.remove(2)).await, 1);
    assert_eq!(version(together.remove(2)).await, 0);
    until(|| loads.batcher.in_flight() == 0).await;
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_ends_with_them() {
    let (log, loads) = loads();
    log.append(&stream(0), 1).await;
    let _alone = fill(&log, &loads).await;
    log.fail(true);
    let mut together = Vec::new();
    for number in 0..3 {
        together.push(ask(&loads, stream(number)).await);
    }
    log.answer(IN_FLIGHT_MAX + 1);
    for loaded in together {
        let failure = loaded.await.unwrap().unwrap_err();
        assert!(matches!(failure, LogError::Unavailable(_)), "{failure}");
    }
    until(|| loads.batcher.in_flight() == 0).await;
    log.fail(false);
    log.answer(1);
    assert_eq!(loads.newest_at(&stream(0)).await.unwrap().0.version, 1);
}

/// What is wrong with one stream is not wrong with its company, and a long one goes on by itself.
#[tokio::test]
async fn damage_and_length_are_of_one_stream() {
    let (log, loads) = loads();
    let (damaged, long, short) = (stream(0), stream(1), stream(2));
    log.append_damaged(&damaged).await;
    log.append(&long, 200).await;
    log.append(&short, 1).await;
    let _alone = fill(&log, &loads).await;
    let damaged = ask(&loads, damaged).await;
    let longest = ask(&loads, long.clone()).await;
    let short = ask(&loads, short).await;
    log.answer(1);
    until(|| log.sent().len() == IN_FLIGHT_MAX + 1).await;
    // For the group and those before it, not for the long one's own read.
    log.answer(IN_FLIGHT_MAX);
    assert_eq!(version(short).await, 1);
    let failure = damaged.await.unwrap().unwrap_err();
    assert!(matches!(failure, LogError::Corrupted(_)), "{failure}");
    until(|| log.sent()[IN_FLIGHT_MAX..] == [3, 1]).await;
    assert!(!longest.is_finished());
    log.answer(1);
    let (aggregate, position) = longest.await.unwrap().unwrap();
    assert_eq!((aggregate.version, position), (200, log.position(&long).await));
}
