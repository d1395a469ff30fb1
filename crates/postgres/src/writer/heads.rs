//! Heads of the streams of a lane that were written lately.

use std::collections::HashMap;

use gamemesh_repository::{Position, StreamName, Version};

/// Heads of one generation; two generations are kept.
const GENERATION_MAX: usize = 1 << 15;

/// Where a stream stands. Version 0: it does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamHead {
    /// The stream's number in this store.
    pub(super) id: i64,
    pub(super) version: Version,
    pub(super) position: Position,
}

/// A bounded cache: when the young generation is full, the old one is forgotten and the young one
/// grows old. A head that is used moves to the young.
#[derive(Default)]
pub(super) struct Heads {
    young: HashMap<StreamName, StreamHead>,
    old: HashMap<StreamName, StreamHead>,
}

impl Heads {
    pub(super) fn get(&self, stream: &StreamName) -> Option<StreamHead> {
        self.young.get(stream).or_else(|| self.old.get(stream)).copied()
    }

    pub(super) fn put(&mut self, stream: StreamName, head: StreamHead) {
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(&stream) {
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
        let mut heads = Heads::default();
        let head = |version| StreamHead { id: 1, version, position: version };
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
