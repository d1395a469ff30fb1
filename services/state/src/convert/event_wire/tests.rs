//! What is written here is what prost writes.

use gamemesh_contracts::common::v1::{EventMetadata, Role};
use gamemesh_domain::document::Change;
use gamemesh_repository::{Lane, StreamName};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn metadata() -> impl Strategy<Value = EventMetadata> {
    let text = || ".{0,30}";
    let seconds = proptest::option::of(0..4_000_000_000_i64);
    (text(), text(), text(), "[0-9a-f-]{0,55}", ".{0,200}", seconds).prop_map(
        |(correlation_id, causation_id, actor, traceparent, reason, seconds)| EventMetadata {
            correlation_id,
            causation_id,
            actor,
            traceparent,
            reason,
            occurred_at: seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 7_000 }),
            ..EventMetadata::default()
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let numbers = (1..1_u64 << 40, 0..4_u16, 1..1_u64 << 40, any::<i64>(), any::<u128>());
    let metadata = prop_oneof![Just(EventMetadata::default()), metadata()];
    (numbers, "[a-z]{1,12}", "[!-~]{1,40}", encoding::arbitrary::change(), metadata).prop_map(
        |((version, lane, position, time_us, id), category, key, change, metadata)| Event {
            stream: StreamName::new(&category, &key),
            version,
            lane: Lane(lane),
            position,
            time_us,
            id: uuid::Uuid::from_u128(id),
            kind: change.kind().into(),
            data: encoding::EncodeBuffer::of(1).encode(&change, &[]),
            meta: metadata.encode_to_vec().into(),
        },
    )
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_the_message(event in event()) {
        let mut message = aggregate::to_event(&event, Role::Admin).unwrap();
        prop_assert_eq!(bytes(&event, true).unwrap(), message.encode_to_vec());
        message.data = None;
        prop_assert_eq!(bytes(&event, false).unwrap(), message.encode_to_vec());
    }
}

/// Every length around which the length of a length changes.
#[test]
fn lengths_of_all_lengths() {
    for length in [0, 1, 100, 126, 127, 128, 129, 16_383, 16_384, 16_400] {
        let change = Change::Created(Map::from([("a", Value::from("x".repeat(length)))]).into());
        let event = Event {
            stream: StreamName::new("guild", "g"),
            version: 1,
            lane: Lane(0),
            position: 1,
            time_us: 0,
            id: uuid::Uuid::nil(),
            kind: "created".into(),
            data: encoding::EncodeBuffer::of(1).encode(&change, &[]),
            meta: bytes::Bytes::new(),
        };
        let message = aggregate::to_event(&event, Role::Admin).unwrap();
        assert_eq!(super::bytes(&event, true).unwrap(), message.encode_to_vec(), "{length}");
    }
}
