//! Heads of the streams that were written lately, as an adapter's writer knows them.

use std::collections::HashMap;

use crate::{EventId, Position, StreamName, Version};

/// Where a stream stands. Version 0: it does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamHead {
    /// The stream's number in its store.
    pub id: i64,
    pub version: Version,
    pub position: Position,
    /// The last event; nil if there is none.
    pub last: EventId,
}

/// A bounded cache: when the young generation is full, the old one is forgotten and the young one
/// grows old. A head that is written again moves to the young.
#[derive(Debug)]
pub struct Heads {
    generation_max: usize,
    young: HashMap<StreamName, StreamHead>,
    old: HashMap<StreamName, StreamHead>,
}

impl Heads {
    /// Keeps at most twice `generation_max` heads, and always the last so many written.
    pub fn new(generation_max: usize) -> Self {
        Self { generation_max, young: HashMap::new(), old: HashMap::new() }
    }

    pub fn get(&self, stream: &StreamName) -> Option<StreamHead> {
        self.young.get(stream).or_else(|| self.old.get(stream)).copied()
    }

    pub fn put(&mut self, stream: StreamName, head: StreamHead) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&stream) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_never_stale() {
        const GENERATION_MAX: usize = 1_000;
        let mut heads = Heads::new(GENERATION_MAX);
        let head = |version| StreamHead {
            id: 1,
            version,
            position: version,
            last: EventId::from_u128(u128::from(version)),
        };
        let hot = StreamName::new("test", "hot");
        for n in 0..3 * GENERATION_MAX as u64 {
            heads.put(StreamName::new("test", &n.to_string()), head(n));
            heads.put(hot.clone(), head(n));
            assert_eq!(heads.get(&hot), Some(head(n)));
        }
        assert!(heads.young.len() + heads.old.len() <= 2 * GENERATION_MAX);
        assert_eq!(heads.get(&StreamName::new("test", "0")), None);
    }
}
