//! Expectations, conditions, bounds, times.

use bytes::Bytes;

use super::Fixture;
use super::sample::{append, at, conflict, event, name, one, part, total, version};
use crate::{
    APPEND_EVENTS_MAX, AppendError, Direction, EVENT_BYTES_MAX, Expected, NewEvent, StreamAppend,
};

pub async fn expected_versions<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    // Each case writes its own events; the last of the three is the third.
    let following = |version, case: u64, nth: u64| Expected::Following {
        version,
        event: event(case * 10 + nth).id,
    };
    // Events that the stream has, expectation, whether it holds.
    let cases = [
        (0, Expected::Any, true),
        (0, Expected::Exact(0), true),
        (0, Expected::Exact(1), false),
        (0, Expected::Exact(u64::MAX), false),
        (0, Expected::Exists, false),
        (3, Expected::Any, true),
        (3, Expected::Exact(3), true),
        (3, Expected::Exact(0), false),
        (3, Expected::Exact(2), false),
        (3, Expected::Exact(4), false),
        (3, Expected::Exact(1 << 63), false),
        (3, Expected::Exact(u64::MAX), false),
        (3, Expected::Exists, true),
        (3, following(3, 13, 2), true),
        (3, following(3, 14, 1), false),
        (3, following(2, 15, 2), false),
        (3, following(4, 16, 2), false),
        (0, following(1, 17, 0), false),
    ];
    for (case, (has, expected, holds)) in cases.into_iter().enumerate() {
        let stream = name(&format!("s{case}"));
        let number = case as u64 * 10;
        if has > 0 {
            store.append(one(&stream, Expected::Any, number..number + has)).await.unwrap();
        }
        let events = total(&*store);
        let result = store.append(one(&stream, expected, [number + 7, number + 8])).await;
        if holds {
            let appended = result.unwrap();
            assert!(!appended.repeated);
            let written = &appended.streams[0];
            assert_eq!((written.first_version, written.last_version), (has + 1, has + 2));
            assert_eq!(written.lane, stream.lane(store.lanes()));
            let head = store.head(&stream).await.unwrap().unwrap();
            assert_eq!((head.version, head.position), (has + 2, written.last_position));
        } else {
            assert_eq!(conflict(result), (stream.clone(), has), "case {case}");
            assert_eq!(version(&*store, &stream).await, has);
            assert_eq!(total(&*store), events);
        }
    }
}

/// Two callers decide on the same version. The one who was slower has already sent an append that was
/// decided on his own event: another event at its place does not make it true.
pub async fn what_was_decided_on_an_event_falls_with_it<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let following = |number, then| {
        let expected = Expected::Following { version: 1, event: event(number).id };
        one(&stream, expected, [then])
    };
    let faster = store.append(one(&stream, Expected::Exact(0), [1]));
    let slower = store.append(one(&stream, Expected::Exact(0), [2]));
    let built_on_slower = store.append(following(2, 3));
    let built_on_faster = store.append(following(1, 4));
    faster.await.unwrap();
    for result in [slower.await, built_on_slower.await] {
        assert_eq!(conflict(result), (stream.clone(), 1));
    }
    assert_eq!(built_on_faster.await.unwrap().streams[0].last_version, 2);
    // Also when the store must look up what is there, and as a retry.
    let mut fixture = fixture;
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    let next =
        |number| one(&stream, Expected::Following { version: 2, event: event(number).id }, [5]);
    assert_eq!(conflict(store.append(next(3)).await), (stream.clone(), 2));
    assert!(!store.append(next(4)).await.unwrap().repeated);
    assert!(store.append(next(4)).await.unwrap().repeated);
}

pub async fn conditions_write_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (gate, other) = (name("gate"), name("other"));
    let first = store.append(one(&gate, Expected::Any, [1, 2])).await.unwrap();
    let condition = |expected| part(&gate, expected, []);
    let cases = [
        (Expected::Exact(2), true),
        (Expected::Exact(1), false),
        (Expected::Exists, true),
        (Expected::Any, true),
    ];
    for (case, (expected, holds)) in cases.into_iter().enumerate() {
        let event = part(&other, Expected::Any, [10 + case as u64]);
        let result = store.append(append(vec![condition(expected), event])).await;
        if !holds {
            assert_eq!(conflict(result), (gate.clone(), 2));
            continue;
        }
        let appended = result.unwrap();
        assert_eq!(appended.streams.len(), 2);
        let gate = &appended.streams[0];
        assert_eq!((gate.first_version, gate.last_version), (3, 2));
        assert_eq!(gate.last_position, first.streams[0].last_position);
    }
    assert_eq!(version(&*store, &gate).await, 2);
    assert_eq!(version(&*store, &other).await, 3);
    let absent =
        append(vec![part(&name("no"), Expected::Exact(0), []), part(&gate, Expected::Any, [20])]);
    let appended = store.append(absent).await.unwrap();
    let no = &appended.streams[0];
    assert_eq!((no.first_version, no.last_version, no.last_position), (1, 0, 0));
    assert_eq!(store.head(&name("no")).await.unwrap(), None);
    let only = store.append(append(vec![condition(Expected::Any)])).await;
    assert!(matches!(only, Err(AppendError::Invalid(_))), "{only:?}");
}

pub async fn all_streams_or_none<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (a, b, c) = (name("a"), name("b"), name("c"));
    let trade = |b_expected, numbers: [u64; 4]| {
        append(vec![
            part(&a, Expected::Any, [numbers[0], numbers[1]]),
            part(&b, b_expected, [numbers[2]]),
            part(&c, Expected::Any, [numbers[3]]),
        ])
    };
    let done = store.append(trade(Expected::Exact(0), [1, 2, 3, 4])).await.unwrap();
    let versions: Vec<_> =
        done.streams.iter().map(|s| (s.stream.clone(), s.first_version, s.last_version)).collect();
    assert_eq!(versions, [(a.clone(), 1, 2), (b.clone(), 1, 1), (c.clone(), 1, 1)]);
    let refused = store.append(trade(Expected::Exact(0), [5, 6, 7, 8])).await;
    assert_eq!(conflict(refused), (b.clone(), 1));
    for (stream, expected) in [(&a, 2), (&b, 1), (&c, 1)] {
        assert_eq!(version(&*store, stream).await, expected);
    }
    assert_eq!(total(&*store), 4);
    store.append(trade(Expected::Exists, [9, 10, 11, 12])).await.unwrap();
    let read = store.read_stream(&a, 1, 10, Direction::Forward).await.unwrap();
    let ids: Vec<_> = read.iter().map(|e| e.id).collect();
    assert_eq!(ids, [1, 2, 9, 10].map(|number| event(number).id));
}

pub async fn bounds_are_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let big = NewEvent { data: Bytes::from(vec![7; EVENT_BYTES_MAX + 1]), ..event(1) };
    let big = StreamAppend { stream: stream.clone(), expected: Expected::Any, events: vec![big] };
    let cases = [
        append(vec![]),
        append(vec![part(&stream, Expected::Any, [])]),
        append(vec![part(&stream, Expected::Any, [1]), part(&stream, Expected::Any, [2])]),
        one(&stream, Expected::Any, 0..APPEND_EVENTS_MAX as u64 + 1),
        append(vec![big]),
    ];
    for (case, append) in cases.into_iter().enumerate() {
        let result = store.append(append).await;
        assert!(matches!(result, Err(AppendError::Invalid(_))), "case {case}: {result:?}");
    }
    assert_eq!(total(&*store), 0);
    let largest = one(&stream, Expected::Any, 0..APPEND_EVENTS_MAX as u64);
    let appended = store.append(largest).await.unwrap();
    assert_eq!(appended.streams[0].last_version, APPEND_EVENTS_MAX as u64);
    let read = store.read_stream(&stream, 1, usize::MAX, Direction::Forward).await.unwrap();
    assert_eq!(read.len(), APPEND_EVENTS_MAX);
}

pub async fn times_never_go_back<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let mut recorded = Vec::new();
    for (number, now_us) in [(1, 50), (2, 70), (3, 60), (4, -5), (5, 71)] {
        let appended = store.append(at(one(&stream, Expected::Any, [number]), now_us)).await;
        recorded.push(appended.unwrap().time_us);
    }
    assert_eq!(recorded, [50, 70, 70, 70, 71]);
    let read = store.read_stream(&stream, 1, 10, Direction::Forward).await.unwrap();
    assert_eq!(read.iter().map(|e| e.time_us).collect::<Vec<_>>(), recorded);
}
