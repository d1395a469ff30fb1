//! A value as bytes: magic and format (4), version (8), `as_of` (8), reducer (8), checksum (4), all
//! big-endian, then the value. The script that puts reads the first twenty.
//!
//! The checksum is over everything else and the name under which it lies, so that what was damaged,
//! written by others or moved to another name is not taken for a value.

use bytes::Bytes;
use gamemesh_cache::Envelope;

/// The last byte is the format: other versions of the program pass over what they do not know.
const MAGIC: [u8; 4] = *b"gmv\x01";

const SUM_AT: usize = 28;
const VALUE_AT: usize = 32;

pub(crate) fn encode(name: &str, envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(VALUE_AT + envelope.value.len());
    bytes.extend(MAGIC);
    bytes.extend(envelope.version.to_be_bytes());
    bytes.extend(envelope.as_of.to_be_bytes());
    bytes.extend(envelope.reducer.to_be_bytes());
    let sum = checksum(name, &bytes, &envelope.value);
    bytes.extend(sum.to_be_bytes());
    bytes.extend(&envelope.value);
    bytes
}

/// `None` if these are not the bytes that were put under this name.
pub(crate) fn decode(name: &str, bytes: &Bytes) -> Option<Envelope> {
    let (head, rest) = bytes.split_at_checked(SUM_AT)?;
    let (sum, value) = rest.split_first_chunk()?;
    if !head.starts_with(&MAGIC) || checksum(name, head, value) != u32::from_be_bytes(*sum) {
        return None;
    }
    let number = |at: usize| head[at..at + 8].try_into().map(u64::from_be_bytes).ok();
    Some(Envelope {
        version: number(4)?,
        as_of: number(12)?,
        reducer: number(20)?,
        value: bytes.slice(VALUE_AT..),
    })
}

fn checksum(name: &str, head: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(head);
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn envelopes() -> impl Strategy<Value = Envelope> {
        (any::<u64>(), any::<u64>(), any::<u64>(), vec(any::<u8>(), 0..200)).prop_map(
            |(version, as_of, reducer, value)| Envelope {
                version,
                as_of,
                reducer,
                value: value.into(),
            },
        )
    }

    #[test]
    fn the_format_is_fixed() {
        let value = Bytes::from_static(b"xyz");
        let envelope = Envelope { version: 1, as_of: 2, reducer: 3, value };
        let expected = [
            b"gmv\x01".as_slice(),
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0x6f, 0x87, 0x95, 0x96],
            b"xyz",
        ]
        .concat();
        assert_eq!(encode("name", &envelope), expected);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(name in ".*", envelope in envelopes()) {
            let bytes = Bytes::from(encode(&name, &envelope));
            prop_assert_eq!(decode(&name, &bytes), Some(envelope));
        }

        #[test]
        fn whatever_is_changed_is_noticed(
            envelope in envelopes(),
            at in any::<prop::sample::Index>(),
            change in 1..=255_u8,
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = encode("k", &envelope);
            let mut changed = whole.clone();
            changed[at.index(whole.len())] ^= change;
            prop_assert_eq!(decode("k", &changed.into()), None);
            let shorter = whole[..cut.index(whole.len())].to_vec();
            prop_assert_eq!(decode("k", &shorter.into()), None);
            let longer = [whole.as_slice(), &[change]].concat();
            prop_assert_eq!(decode("k", &longer.into()), None);
            prop_assert_eq!(decode("l", &whole.into()), None);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..100), magic in any::<bool>()) {
            let bytes = if magic { [&MAGIC, bytes.as_slice()].concat() } else { bytes };
            prop_assert_eq!(decode("k", &bytes.into()), None);
        }
    }
}
