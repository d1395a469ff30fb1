//! Checksums: one for each event, and a chain over the batches, so that damage and tampering show.

use crate::Event;

/// CRC-32 (IEEE) over the identity and content of an event. Every variable part is preceded by its
/// length, so that no two events have the same bytes.
pub fn event_crc(event: &Event) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    canonical(event, |bytes| hasher.update(bytes));
    hasher.finalize()
}

/// The running BLAKE3 hash of a lane: each batch's link covers the link before it and every event
/// of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The link after a batch. `events` are those of one batch and lane, in position order.
    #[must_use]
    pub fn link<'a>(self, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        for event in events {
            canonical(event, |bytes| {
                hasher.update(bytes);
            });
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// Checksums and link of one batch and lane, from the same bytes: small pieces cost the hashes more
/// than what is in them.
#[derive(Debug, Clone)]
pub struct Seals {
    hasher: blake3::Hasher,
    /// What the hasher has not seen yet.
    bytes: Vec<u8>,
}

impl Seals {
    /// Bytes that are hashed at once, and kept until then.
    const AT_ONCE: usize = 64 << 10;

    /// Of a batch that follows this link.
    pub fn after(chain: Chain) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&chain.0);
        Self { hasher, bytes: Vec::new() }
    }

    /// Takes in the next event, in position order. Its checksum, as [`event_crc`] has it.
    pub fn add(&mut self, event: &Event) -> u32 {
        let start = self.bytes.len();
        canonical(event, |bytes| self.bytes.extend_from_slice(bytes));
        let crc = crc32fast::hash(&self.bytes[start..]);
        if self.bytes.len() >= Self::AT_ONCE {
            self.hasher.update(&self.bytes);
            self.bytes.clear();
        }
        crc
    }

    /// The link after the batch, as [`Chain::link`] has it.
    pub fn link(&mut self) -> Chain {
        self.hasher.update(&self.bytes);
        self.bytes.clear();
        Chain(*self.hasher.finalize().as_bytes())
    }
}

fn canonical(event: &Event, mut update: impl FnMut(&[u8])) {
    let mut fixed = [0_u8; 2 + 8 + 8 + 8 + 16];
    fixed[0..2].copy_from_slice(&event.lane.0.to_be_bytes());
    fixed[2..10].copy_from_slice(&event.position.to_be_bytes());
    fixed[10..18].copy_from_slice(&event.version.to_be_bytes());
    fixed[18..26].copy_from_slice(&event.time_us.to_be_bytes());
    fixed[26..42].copy_from_slice(event.id.as_bytes());
    update(&fixed);
    for part in [event.stream.as_str().as_bytes(), event.kind.as_bytes(), &event.data, &event.meta]
    {
        update(&(part.len() as u64).to_be_bytes());
        update(part);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{Lane, StreamName};

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = (any::<u64>(), any::<i64>(), "[a-z]{1,9}", 0..100_000_usize).prop_map(
            |(position, time_us, kind, bytes)| Event {
                stream: StreamName::new("test", &kind),
                version: position,
                lane: Lane(3),
                position,
                time_us,
                id: uuid::Uuid::from_u128(u128::from(position)),
                kind: kind.into(),
                data: Bytes::from(vec![position as u8; bytes]),
                meta: Bytes::from_static(b"meta"),
            },
        );
        proptest::collection::vec(event, 0..6)
    }

    proptest! {
        #[test]
        fn a_batch_is_sealed_as_its_events_are(events in events(), before: [u8; 32]) {
            let mut seals = Seals::after(Chain(before));
            for event in &events {
                prop_assert_eq!(seals.add(event), event_crc(event));
            }
            prop_assert_eq!(seals.link(), Chain(before).link(&events));
        }
    }
}
