//! JSON that has been written before.
//!
//! A resource that is read often is the same bytes each time, while what stands around it in the
//! answer (a token, an age) is not. So the resource that a `GET` answers with, the field that
//! `response_body` names, is translated once for as long as its bytes stay the same. The bytes are
//! the key: there is nothing to invalidate.

use std::hash::{Hash, Hasher};

use bytes::Bytes;
use http::Method;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::schema::{Cardinality, Kind, MessageId, Schema};
use crate::table::{Row, Verb};
use crate::wire::{Fields, Value};

/// What is larger is translated each time.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Beside the bytes of both forms.
const SLOT_BYTES: u64 = 128;

pub(crate) struct Memo(Cache<Key, Bytes, Weight>);

/// The wire form of a message of a type.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    message: MessageId,
    wire: Box<[u8]>,
}

#[derive(Clone, Copy)]
pub(crate) struct Resource<'a> {
    message: MessageId,
    wire: &'a [u8],
}

#[derive(Clone)]
struct Weight;

impl Memo {
    /// Keeps `bytes_max` bytes of both forms together.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let about = (bytes_max / 2_048) as usize;
        Self(Cache::with_weighter(about, bytes_max, Weight))
    }

    pub(crate) fn get(&self, resource: &Resource<'_>) -> Option<Bytes> {
        self.0.get(resource)
    }

    pub(crate) fn put(&self, resource: &Resource<'_>, json: Bytes) {
        self.0.insert(Key { message: resource.message, wire: resource.wire.into() }, json);
    }
}

impl<'a> Resource<'a> {
    /// The resource in an answer; `None` if its JSON is not that of one span of bytes, or is not
    /// worth keeping.
    pub(crate) fn of(schema: &Schema, row: &Row, answer: &'a [u8]) -> Option<Self> {
        if row.verb != Verb::Method(Method::GET) || answer.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        let field = &schema.message(row.rpc.output).fields[row.response_body?];
        let Kind::Message(message) = field.kind else { return None };
        let singular = matches!(field.cardinality, Cardinality::Singular { .. });
        if !singular || field.group || field.oneof.is_some() {
            return None;
        }
        let mut found = None;
        let mut fields = Fields::new(answer);
        while let Some((number, value)) = fields.next().ok()? {
            match value {
                _ if number != field.number => {}
                // A second occurrence is merged into the first one.
                Value::Len(wire) if found.is_none() => found = Some(wire),
                _ => return None,
            }
        }
        found.map(|wire| Self { message, wire })
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Resource { message: self.message, wire: &self.wire }.hash(state);
    }
}

impl Hash for Resource<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.message.hash(state);
        self.wire.hash(state);
    }
}

impl Equivalent<Key> for Resource<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.message == key.message && self.wire == &*key.wire
    }
}

impl Weighter<Key, Bytes> for Weight {
    fn weight(&self, key: &Key, json: &Bytes) -> u64 {
        SLOT_BYTES + key.wire.len() as u64 + json.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(message: u32, wire: &[u8]) -> Resource<'_> {
        Resource { message: MessageId(message), wire }
    }

    #[test]
    fn the_same_bytes_of_the_same_type_are_known() {
        let memo = Memo::new(1 << 20);
        memo.put(&resource(1, b"abc"), Bytes::from_static(b"{}"));
        assert_eq!(memo.get(&resource(1, b"abc")).as_deref(), Some(&b"{}"[..]));
        assert_eq!(memo.get(&resource(1, b"abd")), None);
        assert_eq!(memo.get(&resource(1, b"ab")), None);
        assert_eq!(memo.get(&resource(2, b"abc")), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bytes_max = 1 << 20;
        let memo = Memo::new(bytes_max);
        for n in 0..10_000_u32 {
            memo.put(&resource(1, &n.to_be_bytes()), Bytes::from(vec![0; 1_000]));
        }
        assert!(memo.0.weight() <= bytes_max, "{} bytes", memo.0.weight());
    }
}
