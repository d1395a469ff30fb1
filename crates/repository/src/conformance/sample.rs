//! Small values for the laws.

use bytes::Bytes;
use uuid::Uuid;

use super::Store;
use crate::{
    Append, AppendError, Appended, Expected, Idempotency, NewEvent, StreamAppend, StreamName,
};

pub fn name(key: &str) -> StreamName {
    StreamName::new("test", key)
}

/// An event of which id and content follow from a number.
pub fn event(number: u64) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(u128::from(number) + 1),
        kind: "test.happened".into(),
        data: Bytes::from(format!("data {number}")),
        meta: Bytes::from(format!("meta {number}")),
    }
}

pub fn part(
    stream: &StreamName,
    expected: Expected,
    numbers: impl IntoIterator<Item = u64>,
) -> StreamAppend {
    let events = numbers.into_iter().map(event).collect();
    StreamAppend { stream: stream.clone(), expected, events }
}

pub fn append(streams: Vec<StreamAppend>) -> Append {
    Append { streams, idempotency: None, fence: None, now_us: 1_000 }
}

pub fn one(
    stream: &StreamName,
    expected: Expected,
    numbers: impl IntoIterator<Item = u64>,
) -> Append {
    append(vec![part(stream, expected, numbers)])
}

pub fn keyed(append: Append, key: &str, fingerprint: u8) -> Append {
    let idempotency = Idempotency { key: key.to_owned(), fingerprint: [fingerprint; 16] };
    Append { idempotency: Some(idempotency), ..append }
}

pub fn at(append: Append, now_us: i64) -> Append {
    Append { now_us, ..append }
}

/// What a conflict says: stream and actual version.
pub fn conflict(result: Result<Appended, AppendError>) -> (StreamName, u64) {
    match result {
        Err(AppendError::Conflict { stream, actual, .. }) => (stream, actual),
        other => panic!("a conflict was expected: {other:?}"),
    }
}

pub async fn version(store: &dyn Store, stream: &StreamName) -> u64 {
    store.head(stream).await.unwrap().map_or(0, |head| head.version)
}

/// Events over all lanes.
pub fn total(store: &dyn Store) -> u64 {
    (0..store.lanes()).map(|lane| *store.tail(crate::Lane(lane)).borrow()).sum()
}
