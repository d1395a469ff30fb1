//! Retries of exact appends, recognised by their event ids.

use bytes::Bytes;

use super::Fixture;
use super::sample::{append, at, conflict, event, name, one, part, total, version};
use crate::{AppendError, Appended, Expected, NewEvent};

pub async fn the_first_result_is_answered<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    store.append(one(&stream, Expected::Any, [1])).await.unwrap();
    let attempt = || one(&stream, Expected::Exact(1), [2, 3]);
    let first = store.append(attempt()).await.unwrap();
    for number in 4..8 {
        store.append(one(&stream, Expected::Any, [number])).await.unwrap();
    }
    let repeated = Appended { repeated: true, ..first };
    assert_eq!(store.append(at(attempt(), 5_000)).await.unwrap(), repeated);
    // Metadata belongs to the try.
    let mut traced = attempt();
    traced.streams[0].events[1].meta = Bytes::from_static(b"another trace");
    assert_eq!(store.append(traced).await.unwrap(), repeated);
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    assert_eq!(store.append(attempt()).await.unwrap(), repeated);
    assert_eq!(version(&*store, &stream).await, 7);
}

pub async fn another_place_is_a_conflict<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    store.append(one(&stream, Expected::Exact(0), [1, 2, 3])).await.unwrap();
    // None of the ids, some of them, the right ones at another place, too many at the end.
    let cases: [(u64, &[u64]); 6] =
        [(0, &[9]), (0, &[1, 9]), (0, &[9, 2]), (1, &[1, 2]), (0, &[2, 1]), (1, &[2, 3, 4])];
    for (expected, numbers) in cases {
        let result =
            store.append(one(&stream, Expected::Exact(expected), numbers.iter().copied())).await;
        assert_eq!(conflict(result), (stream.clone(), 3), "{expected} {numbers:?}");
    }
    // A part of the first append stands where it is expected: that is all that is asked.
    let part = store.append(one(&stream, Expected::Exact(1), [2])).await.unwrap();
    assert!(part.repeated);
    assert_eq!(total(&*store), 3);
}

pub async fn other_content_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    store.append(one(&stream, Expected::Exact(0), [1, 2])).await.unwrap();
    let altered: [fn(&mut NewEvent); 2] =
        [|event| event.data = Bytes::from_static(b"other"), |event| event.kind = "other".into()];
    for alter in altered {
        let mut attempt = one(&stream, Expected::Exact(0), [1, 2]);
        alter(&mut attempt.streams[0].events[1]);
        let result = store.append(attempt).await;
        assert!(
            matches!(result, Err(AppendError::EventIdReused { id }) if id == event(2).id),
            "{result:?}"
        );
    }
    assert_eq!(total(&*store), 2);
}

pub async fn several_streams_are_recognised<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (a, b, gate) = (name("a"), name("b"), name("gate"));
    store.append(one(&gate, Expected::Any, [1])).await.unwrap();
    let attempt = || {
        append(vec![
            part(&a, Expected::Exact(0), [10, 11]),
            part(&gate, Expected::Exact(1), []),
            part(&b, Expected::Exact(0), [12]),
        ])
    };
    let first = store.append(attempt()).await.unwrap();
    // The condition no longer holds, which a retry must not notice; it answers the head of now.
    store.append(one(&gate, Expected::Any, [2])).await.unwrap();
    let again = store.append(attempt()).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.streams[0], first.streams[0]);
    assert_eq!(again.streams[2], first.streams[2]);
    assert_eq!((again.streams[1].first_version, again.streams[1].last_version), (3, 2));
    // One stream as before, the other with another event.
    let mixed =
        append(vec![part(&a, Expected::Exact(0), [10, 11]), part(&b, Expected::Exact(0), [13])]);
    assert_eq!(conflict(store.append(mixed).await), (a.clone(), 2));
    // One stream as before, the other not yet written.
    let half = append(vec![
        part(&name("c"), Expected::Exact(0), [14]),
        part(&a, Expected::Exact(0), [10, 11]),
    ]);
    assert_eq!(conflict(store.append(half).await), (a.clone(), 2));
    assert_eq!(version(&*store, &name("c")).await, 0);
    assert_eq!(total(&*store), 5);
}

pub async fn tries_in_flight_are_recognised<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    for round in 0..20_u64 {
        let stream = name(&format!("s{round}"));
        let number = round * 10;
        // All are queued before the first is decided: the events of a first try may not be on the
        // disk when its retry is decided.
        let tries: Vec<_> = (0..4)
            .flat_map(|_| {
                [
                    store.append(one(&stream, Expected::Exact(0), [number, number + 1])),
                    store.append(one(&stream, Expected::Exact(2), [number + 2])),
                    store.append(one(&stream, Expected::Exact(0), [number + 5])),
                ]
            })
            .collect();
        for (at, attempt) in tries.into_iter().enumerate() {
            let result = attempt.await;
            match at % 3 {
                0 | 1 => {
                    let appended = result.unwrap();
                    assert_eq!(appended.repeated, at >= 3, "round {round}, try {at}");
                    assert_eq!(appended.streams[0].first_version, 1 + 2 * (at as u64 % 3));
                }
                _ => assert_eq!(conflict(result), (stream.clone(), 3)),
            }
        }
        assert_eq!(version(&*store, &stream).await, 3);
    }
}

pub async fn only_exact_appends_are_recognised<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (a, b) = (name("a"), name("b"));
    store.append(one(&a, Expected::Any, [1])).await.unwrap();
    let again = store.append(one(&a, Expected::Any, [1])).await.unwrap();
    assert!(!again.repeated);
    let mixed = || append(vec![part(&a, Expected::Exact(2), [2]), part(&b, Expected::Any, [3])]);
    store.append(mixed()).await.unwrap();
    assert_eq!(conflict(store.append(mixed()).await), (a.clone(), 3));
    assert_eq!(total(&*store), 4);
}
