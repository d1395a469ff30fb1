//! Events that instances push to each other are sealed, so that what is shown without reading the log is
//! what an instance of this store has committed.
//!
//! The seal is the first half of a keyed BLAKE3 hash over the lane and the events. Behind it lies, for
//! each event: position (8), version (8), time (8), id (16), then stream, kind, data and metadata, each
//! with its length (4), everything big-endian.

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use gamemesh_repository::{Event, Incarnation, Lane, StreamName, seeded_defect};
use uuid::Uuid;

use crate::Applied;

const MAC_BYTES: usize = 16;

/// What an event takes beside its texts, data and metadata, in bytes.
const FRAME_BYTES: usize = 3 * 8 + 16 + 4 * 4;

/// Seals and opens the events that the instances of one store push to each other.
pub(super) struct EventSeal {
    key: [u8; 32],
}

/// What an event takes, in bytes.
pub(super) fn size_bytes(event: &Event) -> usize {
    let texts = event.stream.as_str().len() + event.kind.len();
    FRAME_BYTES + texts + event.data.len() + event.meta.len()
}

impl EventSeal {
    /// `secret` may be empty: then whoever knows the store's identity can seal, which is for
    /// development only.
    pub(super) fn new(service: &str, secret: &[u8], store: Incarnation) -> Self {
        let context = format!("gamemesh {service} news, format 1");
        let mut hasher = blake3::Hasher::new_derive_key(&context);
        hasher.update(&store.0).update(secret);
        Self { key: *hasher.finalize().as_bytes() }
    }

    /// Events of one lane, in any order.
    pub(super) fn seal(&self, lane: Lane, events: &[Arc<Applied>]) -> Bytes {
        let size: usize = events.iter().map(|applied| size_bytes(&applied.event)).sum();
        let mut sealed = BytesMut::with_capacity(MAC_BYTES + size);
        sealed.put_bytes(0, MAC_BYTES);
        for Applied { event, .. } in events.iter().map(|applied| &**applied) {
            sealed.put_u64(event.position);
            sealed.put_u64(event.version);
            sealed.put_i64(event.time_us);
            sealed.put_slice(event.id.as_bytes());
            let (stream, kind) = (event.stream.as_str().as_bytes(), event.kind.as_bytes());
            for part in [stream, kind, &event.data, &event.meta] {
                sealed.put_u32(part.len() as u32);
                sealed.put_slice(part);
            }
        }
        let mac = self.mac(lane, &sealed[MAC_BYTES..]);
        sealed[..MAC_BYTES].copy_from_slice(&mac.as_bytes()[..MAC_BYTES]);
        sealed.freeze()
    }

    /// The events, if an instance of this store has sealed them for this lane; else none.
    pub(super) fn open(&self, lane: Lane, sealed: &Bytes) -> Vec<Event> {
        let Some((mac, events)) = sealed.split_at_checked(MAC_BYTES) else { return Vec::new() };
        let mut expected = *self.mac(lane, events).as_bytes();
        expected[MAC_BYTES..].fill(0);
        let mut given = [0; 32];
        given[..MAC_BYTES].copy_from_slice(mac);
        // blake3::Hash compares in constant time, and only as a whole.
        let is_ours = blake3::Hash::from_bytes(expected) == blake3::Hash::from_bytes(given);
        if !is_ours && !seeded_defect("news.seal") {
            return Vec::new();
        }
        let mut rest = sealed.slice(MAC_BYTES..);
        std::iter::from_fn(|| event(lane, &mut rest)).collect()
    }

    fn mac(&self, lane: Lane, events: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&lane.0.to_be_bytes()).update(events).finalize()
    }
}

/// The next event; `None` at the end.
fn event(lane: Lane, rest: &mut Bytes) -> Option<Event> {
    let (position, version) = (rest.try_get_u64().ok()?, rest.try_get_u64().ok()?);
    let time_us = rest.try_get_i64().ok()?;
    let id = Uuid::from_u128(rest.try_get_u128().ok()?);
    let mut part = || {
        let length = rest.try_get_u32().ok()? as usize;
        (length <= rest.len()).then(|| rest.split_to(length))
    };
    let (stream, kind, data, meta) = (part()?, part()?, part()?, part()?);
    let stream = StreamName::parse(std::str::from_utf8(&stream).ok()?)?;
    let kind = std::str::from_utf8(&kind).ok()?.into();
    Some(Event { stream, version, lane, position, time_us, id, kind, data, meta })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applied::tests::event;

    fn applied(position: u64) -> Arc<Applied> {
        let event = Event {
            data: Bytes::from(vec![1; position as usize]),
            meta: Bytes::from_static(b"m"),
            ..event(3, position)
        };
        Arc::new(Applied { event, before: Arc::default(), after: Arc::default() })
    }

    #[test]
    fn what_is_sealed_is_opened_by_this_store_for_this_lane_only() {
        let (store, other) = (Incarnation([1; 16]), Incarnation([2; 16]));
        let seal = EventSeal::new("state", b"s", store);
        let events = [applied(5), applied(0), applied(4)];
        let sealed = seal.seal(Lane(3), &events);
        let opened = seal.open(Lane(3), &sealed);
        assert_eq!(opened, events.map(|applied| applied.event.clone()));
        assert!(seal.open(Lane(2), &sealed).is_empty(), "another lane");
        assert!(
            EventSeal::new("state", b"t", store).open(Lane(3), &sealed).is_empty(),
            "another secret"
        );
        assert!(
            EventSeal::new("state", b"s", other).open(Lane(3), &sealed).is_empty(),
            "another store"
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 4;
            assert!(seal.open(Lane(3), &changed.into()).is_empty());
            assert!(seal.open(Lane(3), &sealed.slice(..at)).is_empty());
        }
    }
}
