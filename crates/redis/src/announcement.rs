//! An announcement as bytes: magic and format (4), caller (8), number (8), lane (2), after (8), to
//! (8), length of the payload (4), the payload, and a checksum over all that (4), everything
//! big-endian.

use bytes::Bytes;
use gamemesh_cache::Announcement;

const MAGIC: [u8; 4] = *b"gmn\x02";

/// An announcement with its place among those of the same caller and lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) caller: u64,
    /// 0, 1, 2 …
    pub(crate) number: u64,
    pub(crate) announcement: Announcement,
}

pub(crate) fn encode(numbered: &Numbered) -> Vec<u8> {
    let Announcement { lane, after, to, payload } = &numbered.announcement;
    let mut bytes = Vec::with_capacity(64 + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(numbered.caller.to_be_bytes());
    bytes.extend(numbered.number.to_be_bytes());
    bytes.extend(lane.to_be_bytes());
    bytes.extend(after.to_be_bytes());
    bytes.extend(to.to_be_bytes());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// `None` if these bytes are not an announcement.
pub(crate) fn decode(bytes: &[u8]) -> Option<Numbered> {
    let (body, sum) = bytes.split_last_chunk()?;
    if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
        return None;
    }
    let mut rest = body.strip_prefix(&MAGIC)?;
    let rest = &mut rest;
    let (caller, number) = (u64::from_be_bytes(take(rest)?), u64::from_be_bytes(take(rest)?));
    let lane = u16::from_be_bytes(take(rest)?);
    let (after, to) = (u64::from_be_bytes(take(rest)?), u64::from_be_bytes(take(rest)?));
    let length = u32::from_be_bytes(take(rest)?) as usize;
    let payload = (rest.len() == length).then(|| Bytes::copy_from_slice(rest))?;
    Some(Numbered { caller, number, announcement: Announcement { lane, after, to, payload } })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn announcements() -> impl Strategy<Value = Numbered> {
        let payload = vec(any::<u8>(), 0..200);
        let numbers = (any::<u64>(), any::<u64>(), any::<u16>(), any::<u64>(), any::<u64>());
        (numbers, payload).prop_map(|((caller, number, lane, after, to), payload)| Numbered {
            caller,
            number,
            announcement: Announcement { lane, after, to, payload: payload.into() },
        })
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(numbered in announcements()) {
            prop_assert_eq!(decode(&encode(&numbered)), Some(numbered));
        }

        #[test]
        fn whatever_is_changed_is_noticed(
            numbered in announcements(),
            at in any::<prop::sample::Index>(),
            change in 1..=255_u8,
        ) {
            let whole = encode(&numbered);
            let mut changed = whole.clone();
            changed[at.index(whole.len())] ^= change;
            prop_assert_eq!(decode(&changed), None);
            prop_assert_eq!(decode(&whole[..at.index(whole.len())]), None);
        }

        /// A checksum that fits does not make sense of what makes none.
        #[test]
        fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..120), magic in any::<bool>()) {
            let mut body = if magic { MAGIC.to_vec() } else { Vec::new() };
            body.extend(bytes);
            body.extend(crc32fast::hash(&body).to_be_bytes());
            if let Some(numbered) = decode(&body) {
                prop_assert_eq!(encode(&numbered), body);
            }
        }
    }
}
