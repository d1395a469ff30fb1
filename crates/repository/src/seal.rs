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
