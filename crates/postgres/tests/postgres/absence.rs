//! Streams that are to be created are not looked for. Who takes for absent what is there is answered as
//! if they had been.

use gamemesh_postgres::PostgresStore;
use gamemesh_repository::{
    Append, AppendError, Appended, EventLog as _, Expected, NewEvent, StreamName,
};

use crate::load::{append, event, name};
use crate::server::Place;

type Part = (StreamName, Expected, Vec<NewEvent>);

fn part(key: &str, expected: Expected, events: usize) -> Part {
    (name(key), expected, (0..events).map(|_| event(b"e")).collect())
}

fn create(key: &str) -> Append {
    append(vec![part(key, Expected::Exact(0), 1)])
}

/// What another instance has written to these streams, one event each.
async fn written_by_another(place: &Place, keys: &[&str]) {
    let other = place.open().await;
    for key in keys {
        other.append(create(key)).await.unwrap();
    }
    other.close().await;
}

/// How often streams of the store were looked for by their names. A connection tells when it ends.
async fn lookups(place: &Place, store: &PostgresStore) -> i64 {
    store.close().await;
    let scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'stream_name_key' \
                 AND schemaname = current_schema()";
    sqlx::query_scalar(scans).fetch_one(&mut place.connect().await).await.unwrap()
}

/// The version of the stream that an append was refused for.
fn conflict(outcome: &Result<Appended, AppendError>) -> Option<(StreamName, u64)> {
    match outcome {
        Err(AppendError::Conflict { stream, actual, .. }) => Some((stream.clone(), *actual)),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_created_is_not_looked_for() {
    let place = Place::fresh().await;
    let store = place.open().await;
    for key in ["a", "b", "c"] {
        assert_eq!(store.append(create(key)).await.unwrap().streams[0].last_version, 1);
    }
    assert_eq!(lookups(&place, &store).await, 0);
    let store = place.open().await;
    assert_eq!(conflict(&store.append(create("a")).await), Some((name("a"), 1)));
    assert!(lookups(&place, &store).await > 0);
}

#[tokio::test]
async fn who_is_wrong_is_refused_and_holds_up_nobody() {
    let place = Place::fresh().await;
    let store = place.open().await;
    written_by_another(&place, &["there", "condition", "grows"]).await;
    let outcomes = store
        .append_each(vec![
            create("there"),
            create("new"),
            append(vec![part("condition", Expected::Exact(0), 0), part("free", Expected::Any, 1)]),
            append(vec![part("grows", Expected::Any, 1)]),
            create("new"),
            create("grows"),
        ])
        .await;
    let conflicts: Vec<_> = outcomes.iter().map(conflict).collect();
    let refused = |key: &str, version| Some((name(key), version));
    assert_eq!(
        conflicts,
        [
            refused("there", 1),
            None,
            refused("condition", 1),
            None,
            refused("new", 1),
            refused("grows", 2)
        ]
    );
    let versions = [("there", 1), ("new", 1), ("condition", 1), ("free", 0), ("grows", 2)];
    for (key, version) in versions {
        let head = store.head(&name(key)).await.unwrap().map_or(0, |head| head.version);
        assert_eq!(head, version, "{key}");
    }
    assert!(store.verify().await.unwrap().is_clean());
}

/// A condition is compared although nothing is written to its stream.
#[tokio::test]
async fn absence_that_is_only_required_is_looked_for() {
    let place = Place::fresh().await;
    let store = place.open().await;
    written_by_another(&place, &["there"]).await;
    let outcome = store
        .append(append(vec![
            part("there", Expected::Exact(0), 0),
            part("new", Expected::Exact(0), 1),
        ]))
        .await;
    assert_eq!(conflict(&outcome), Some((name("there"), 1)));
    assert_eq!(store.head(&name("new")).await.unwrap(), None);
}

/// Another part of the retry conflicts before anybody looks whether the first was made.
#[tokio::test]
async fn the_retry_of_a_creation_is_answered_as_the_first_time() {
    let place = Place::fresh().await;
    written_by_another(&place, &["old"]).await;
    let both =
        append(vec![part("made", Expected::Exact(0), 1), part("old", Expected::Exact(1), 1)]);
    let first = place.open().await;
    let made = first.append(both.clone()).await.unwrap();
    first.close().await;

    let store = place.open().await;
    store.append(append(vec![part("old", Expected::Exact(2), 1)])).await.unwrap();
    let again = store.append(both).await.unwrap();
    assert_eq!(again, Appended { repeated: true, ..made });
}
