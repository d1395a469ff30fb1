//! Idempotency keys.

use super::Fixture;
use super::sample::{append, at, conflict, keyed, name, one, part, total, version};
use crate::{AppendError, Appended, Expected};

pub async fn a_key_answers_the_first_result<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let (a, b) = (name("a"), name("b"));
    store.append(one(&b, Expected::Any, [1, 2])).await.unwrap();
    assert_eq!(store.idempotent("k").await.unwrap(), None);
    let try_with = |number| {
        let parts = vec![part(&a, Expected::Any, [number]), part(&b, Expected::Exact(2), [])];
        keyed(append(parts), "k", 1)
    };
    let first = store.append(try_with(10)).await.unwrap();
    assert!(!first.repeated);
    store.append(one(&b, Expected::Any, [3])).await.unwrap();
    // Another event, another time, an expectation that no longer holds: the key decides.
    let again = store.append(at(try_with(11), 9_000)).await.unwrap();
    assert_eq!(again, Appended { repeated: true, ..first.clone() });
    assert_eq!(version(&*store, &a).await, 1);
    assert_eq!(store.idempotent("k").await.unwrap(), Some((first.clone(), [1; 16])));
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    let again = store.append(try_with(12)).await.unwrap();
    assert_eq!(again, Appended { repeated: true, ..first });
}

pub async fn another_request_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    store.append(keyed(one(&stream, Expected::Any, [1]), "k", 1)).await.unwrap();
    let other = store.append(keyed(one(&stream, Expected::Any, [2]), "k", 2)).await;
    assert!(matches!(&other, Err(AppendError::KeyReused { key }) if key == "k"), "{other:?}");
    assert_eq!(total(&*store), 1);
    store.append(keyed(one(&stream, Expected::Any, [2]), "K", 2)).await.unwrap();
    assert_eq!(total(&*store), 2);
}

pub async fn a_refused_append_keeps_no_key<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let refused = store.append(keyed(one(&stream, Expected::Exists, [1]), "k", 1)).await;
    assert_eq!(conflict(refused), (stream.clone(), 0));
    assert_eq!(store.idempotent("k").await.unwrap(), None);
    let written = store.append(keyed(one(&stream, Expected::Exact(0), [1]), "k", 2)).await;
    assert!(!written.unwrap().repeated);
}

pub async fn concurrent_tries_are_one_append<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    for round in 0..20_u64 {
        let stream = name(&format!("s{round}"));
        let tries: Vec<_> = (0..8)
            .map(|attempt| {
                let store = store.clone();
                let append = one(&stream, Expected::Any, [round * 100 + attempt]);
                let append = keyed(append, &format!("k{round}"), 1);
                tokio::spawn(async move { store.append(append).await.unwrap() })
            })
            .collect();
        let mut results = Vec::new();
        for attempt in tries {
            results.push(attempt.await.unwrap());
        }
        assert_eq!(results.iter().filter(|r| !r.repeated).count(), 1);
        assert!(results.iter().all(|r| r.streams == results[0].streams));
        assert_eq!(version(&*store, &stream).await, 1);
    }
}
