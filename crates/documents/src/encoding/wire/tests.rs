//! What is written is what prost writes, and is read back; whatever else comes, it does not panic.

mod datum;
mod operation;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{Aggregate, Allowance, Change, Map, Number, Value, limits};
use proptest::prelude::*;
use prost::Message as _;

use self::datum::to_datum;
use crate::encoding::arbitrary::{change, map_of, value};
use crate::encoding::{EncodeBuffer, decode_change, decode_folded, encode_folded};

fn to_stored(allowances: &[Allowance]) -> Vec<pb::Allowance> {
    let stored = |allowance: &Allowance| pb::Allowance {
        rule: allowance.rule,
        left: allowance.left.as_f64(),
        at_us: allowance.at_us,
    };
    allowances.iter().map(stored).collect()
}

fn allowances() -> impl Strategy<Value = Vec<Allowance>> {
    let left = prop_oneof![Just(0.0), 0.0..1e9];
    let allowance = (any::<u64>(), left, any::<i64>()).prop_map(|(rule, left, at_us)| Allowance {
        rule,
        left: Number::new(left).unwrap(),
        at_us,
    });
    proptest::collection::vec(allowance, 0..3)
}

fn by_prost(change: &Change, allowances: &[Allowance]) -> Vec<u8> {
    use pb::change::Kind;
    let kind = match change {
        Change::Created(state) => Kind::Created(to_datum(state)),
        Change::Merged(patch) => Kind::Merged(to_datum(patch)),
        Change::Operated(operations) => Kind::Operated(pb::DatumOperations {
            operations: operations.iter().map(operation::to_stored).collect(),
        }),
        Change::Replaced(state) => Kind::Replaced(to_datum(state)),
        Change::Deleted => Kind::Deleted(pb::Deletion {}),
        Change::RolledBack { to_version, state } => Kind::RolledBack(pb::RolledBack {
            to_version: *to_version as i64,
            state: state.as_ref().map(to_datum),
        }),
        Change::Noted { kind, data } => {
            Kind::Noted(pb::Noted { kind: kind.to_string(), data: Some(to_datum(data)) })
        }
    };
    let allowances = to_stored(allowances);
    pb::Change { kind: Some(kind), allowances }.encode_to_vec()
}

fn folded_by_prost(aggregate: &Aggregate) -> Vec<u8> {
    pb::Folded {
        state: aggregate.present().map(to_datum),
        created_us: aggregate.created_at_us,
        updated_us: aggregate.updated_at_us,
        allowances: to_stored(&aggregate.allowances),
    }
    .encode_to_vec()
}

proptest! {
    #[test]
    fn a_change_comes_back(change in change(), allowances in allowances()) {
        let encoded = EncodeBuffer::of(1).encode(&change, &allowances);
        prop_assert_eq!(&encoded, &by_prost(&change, &allowances));
        prop_assert_eq!(&decode_change(&encoded).unwrap(), &change);
        prop_assert_eq!(super::change(&encoded).unwrap(), (change, allowances));
    }

    #[test]
    fn a_folded_aggregate_comes_back(
        state in map_of(value()), version in 1_u64.., created_at_us: i64, updated_at_us: i64,
        allowances in allowances(),
    ) {
        let state = state.into();
        let aggregate =
            Aggregate { state, version, created_at_us, updated_at_us, allowances };
        let encoded = encode_folded(&aggregate);
        prop_assert_eq!(&encoded, &folded_by_prost(&aggregate));
        prop_assert_eq!(decode_folded(&encoded, version).unwrap(), aggregate);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_change(&bytes);
        let _ = decode_folded(&bytes, 1);
    }

    #[test]
    fn no_damage_panics(change in change(), at: prop::sample::Index, byte: u8) {
        let mut bytes = EncodeBuffer::of(1).encode(&change, &[]).to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_change(&bytes);
            let _ = decode_change(&bytes[..at]);
        }
    }
}

#[test]
fn the_deepest_state_comes_back_and_a_deeper_one_is_damage() {
    let nested =
        |depth| (0..depth).fold(Value::from(1), |inner, _| Map::from([("a", inner)]).into());
    let deepest = Change::Created(nested(limits::VALUE_DEPTH_MAX));
    assert_eq!(decode_change(&EncodeBuffer::of(1).encode(&deepest, &[])).unwrap(), deepest);
    let deeper = Change::Created(nested(limits::VALUE_DEPTH_MAX + 1));
    assert!(decode_change(&EncodeBuffer::of(1).encode(&deeper, &[])).is_err());
}

#[test]
fn those_who_share_room_do_not_share_bytes() {
    let change = |text: String| Change::Created(Map::from([("a", Value::from(text))]).into());
    let changes: Vec<_> = (0..40).map(|n| change("x".repeat(n * n))).collect();
    let mut room = EncodeBuffer::of(changes.len());
    let encoded: Vec<_> = changes.iter().map(|change| room.encode(change, &[])).collect();
    for (change, encoded) in changes.iter().zip(encoded) {
        assert_eq!(encoded, by_prost(change, &[]));
    }
}
