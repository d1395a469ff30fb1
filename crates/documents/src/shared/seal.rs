//! Values of the shared cache are sealed, so that what is read is what an instance of this store put there
//! under this name.
//!
//! The seal is the first half of a keyed BLAKE3 hash. Writes are decided on what is read, so who
//! can write into the shared cache must not be able to make up a state. That a sealed value is still
//! the newest is another question, which the seal does not answer.

use bytes::{BufMut as _, Bytes, BytesMut};
use gamemesh_cache::Envelope;
use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{Incarnation, Position, StreamName};

use crate::encoding;
use crate::history::REDUCER;

const MAC_BYTES: usize = 16;

/// Seals and opens the envelopes of one store.
pub(super) struct Seal {
    key: [u8; 32],
    /// What the keys of this store begin with.
    prefix: String,
}

/// A value that was sealed by an instance of this store.
#[derive(Debug, PartialEq)]
pub(super) struct Opened {
    pub(super) aggregate: Aggregate,
    pub(super) as_of: Position,
}

impl Seal {
    /// `secret` may be empty: then whoever knows the store's identity can seal, which is for
    /// development only.
    pub(super) fn new(service: &str, secret: &[u8], store: Incarnation) -> Self {
        let context = format!("gamemesh {service} shared cache, format 1");
        let mut hasher = blake3::Hasher::new_derive_key(&context);
        hasher.update(&store.0).update(secret);
        let identity = blake3::hash(&store.0).to_hex();
        let prefix = format!("{service}/{}/", &identity[..16]);
        Self { key: *hasher.finalize().as_bytes(), prefix }
    }

    pub(super) fn key(&self, stream: &StreamName) -> String {
        format!("{}{stream}", self.prefix)
    }

    pub(super) fn seal(
        &self,
        stream: &StreamName,
        aggregate: &Aggregate,
        as_of: Position,
    ) -> Envelope {
        let folded = encoding::encode_folded(aggregate);
        let mac = self.mac(stream, aggregate.version, as_of, &folded);
        let mut value = BytesMut::with_capacity(MAC_BYTES + folded.len());
        value.put_slice(&mac.as_bytes()[..MAC_BYTES]);
        value.put_slice(&folded);
        Envelope { version: aggregate.version, as_of, reducer: REDUCER, value: value.freeze() }
    }

    /// The value, unless it is of another reducer or not sealed by this store for this stream.
    pub(super) fn open(&self, stream: &StreamName, envelope: &Envelope) -> Option<Opened> {
        if envelope.reducer != REDUCER {
            return None;
        }
        let Envelope { version, as_of, .. } = *envelope;
        let (mac, folded) = envelope.value.split_at_checked(MAC_BYTES)?;
        let mut expected = *self.mac(stream, version, as_of, folded).as_bytes();
        expected[MAC_BYTES..].fill(0);
        let mut given = [0; 32];
        given[..MAC_BYTES].copy_from_slice(mac);
        // blake3::Hash compares in constant time, and only as a whole.
        if blake3::Hash::from_bytes(expected) != blake3::Hash::from_bytes(given) {
            return None;
        }
        let aggregate = encoding::decode_folded(&Bytes::copy_from_slice(folded), version).ok()?;
        Some(Opened { aggregate, as_of })
    }

    fn mac(
        &self,
        stream: &StreamName,
        version: u64,
        as_of: Position,
        folded: &[u8],
    ) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for number in [stream.as_str().len() as u64, version, as_of, REDUCER] {
            hasher.update(&number.to_be_bytes());
        }
        hasher.update(stream.as_str().as_bytes()).update(folded).finalize()
    }
}

#[cfg(test)]
mod tests {
    use gamemesh_domain::document::{Map, Value};

    use super::*;

    fn seal(store: u8, secret: &[u8]) -> Seal {
        Seal::new("state", secret, Incarnation([store; 16]))
    }

    fn stream(key: &str) -> StreamName {
        StreamName::new("economy", key)
    }

    fn sealed() -> (Aggregate, Envelope) {
        let state = Map::from_iter([("gold".to_owned(), Value::int(3).unwrap())]).into();
        let aggregate = Aggregate {
            state,
            version: 7,
            created_at_us: 1,
            updated_at_us: 5,
            ..Aggregate::default()
        };
        let envelope = seal(1, b"s").seal(&stream("a"), &aggregate, 40);
        (aggregate, envelope)
    }

    #[test]
    fn what_was_sealed_is_opened() {
        let (aggregate, envelope) = sealed();
        assert_eq!((envelope.version, envelope.as_of), (7, 40));
        let opened = seal(1, b"s").open(&stream("a"), &envelope).unwrap();
        assert_eq!(opened, Opened { aggregate, as_of: 40 });
    }

    #[test]
    fn what_is_altered_or_of_another_is_not_opened() {
        let (_, envelope) = sealed();
        let opens = |seal: &Seal, key: &str, envelope: &Envelope| {
            seal.open(&stream(key), envelope).is_some()
        };
        let mine = seal(1, b"s");
        assert!(!opens(&mine, "b", &envelope), "another name");
        assert!(!opens(&seal(2, b"s"), "a", &envelope), "another store");
        assert!(!opens(&seal(1, b"t"), "a", &envelope), "another secret");
        assert!(!opens(&mine, "a", &Envelope { version: 8, ..envelope.clone() }));
        assert!(!opens(&mine, "a", &Envelope { as_of: 41, ..envelope.clone() }));
        assert!(!opens(&mine, "a", &Envelope { reducer: 0, ..envelope.clone() }));
        for at in 0..envelope.value.len() {
            let mut value = envelope.value.to_vec();
            value[at] ^= 4;
            assert!(!opens(&mine, "a", &Envelope { value: value.into(), ..envelope.clone() }));
            let value = envelope.value.slice(..at);
            assert!(!opens(&mine, "a", &Envelope { value, ..envelope.clone() }));
        }
        assert_ne!(mine.key(&stream("a")), seal(2, b"s").key(&stream("a")));
    }
}
