//! Of streams that are read together, each has an answer of its own.

use bytes::Bytes;
use gamemesh_repository::{EventLog, Expected, LogError, Snapshot, Snapshots};

use crate::load::{append, event, name};
use crate::server::Place;

#[tokio::test]
async fn damage_is_the_answer_of_the_damaged_only() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let streams = ["sound", "forged", "gap"].map(name);
    for stream in &streams {
        let events = (0..4).map(|_| event(b"e")).collect();
        store.append(append(vec![(stream.clone(), Expected::Any, events)])).await.unwrap();
        let (stream, state) = (stream.clone(), Bytes::from_static(b"state"));
        let snapshot = Snapshot { stream, version: 2, reducer: 1, time_us: 0, state };
        store.put_snapshot(snapshot).await.unwrap();
    }
    let damage = "UPDATE event SET data = 'x' WHERE version = 3 \
                    AND stream = (SELECT id FROM stream WHERE name = 'test/forged'); \
                  DELETE FROM event WHERE version = 3 \
                    AND stream = (SELECT id FROM stream WHERE name = 'test/gap'); \
                  UPDATE snapshot SET state = 'x' WHERE stream = 'test/forged'";
    sqlx::raw_sql(damage).execute(&mut place.connect().await).await.unwrap();
    let asked = streams.clone().map(|stream| (stream, 1));
    let answers = store.read_streams(&asked, 10).await;
    assert_eq!(answers[0].as_ref().unwrap().len(), 4);
    for (answer, what) in answers[1..].iter().zip(["the checksum of", "has no version 3"]) {
        let said = matches!(answer, Err(LogError::Corrupted(why)) if why.contains(what));
        assert!(said, "{what}: {answer:?}");
    }
    // A damaged snapshot counts as absent.
    let snapshots = store.newest_snapshots(&streams, 1).await;
    let found: Vec<_> = snapshots.into_iter().map(|s| s.unwrap().map(|s| s.version)).collect();
    assert_eq!(found, [Some(2), None, Some(2)]);
}

/// Nothing that this instance was answered lies beyond its tail.
#[tokio::test]
async fn what_is_read_is_within_the_tail() {
    let place = Place::fresh().await;
    let (ours, other) = (place.open().await, place.open().await);
    let streams: Vec<_> = (0..20).map(|number| name(&format!("s{number}"))).collect();
    for stream in &streams {
        let write = append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
        other.append(write).await.unwrap();
    }
    let asked: Vec<_> = streams.into_iter().map(|stream| (stream, 1)).collect();
    for answer in ours.read_streams(&asked, 10).await {
        let event = answer.unwrap().pop().unwrap();
        assert!(event.position <= *ours.tail(event.lane).borrow());
    }
}

/// A server that does not answer is the answer for each.
#[tokio::test]
async fn a_store_that_is_closed_says_so_to_each() {
    let place = Place::fresh().await;
    let store = place.open().await;
    store.close().await;
    let streams = ["a", "b"].map(name);
    let asked = streams.clone().map(|stream| (stream, 1));
    let answers = store.read_streams(&asked, 10).await;
    assert!(matches!(answers[..], [Err(LogError::Unavailable(_)), Err(LogError::Unavailable(_))]));
    let answers = store.newest_snapshots(&streams, 1).await;
    assert!(matches!(answers[..], [Err(LogError::Unavailable(_)), Err(LogError::Unavailable(_))]));
}
