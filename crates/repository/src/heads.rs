//! Heads of the streams that were written lately, as an adapter's writer knows them.

use crate::{EventId, Generations, Position, StreamName, Version};

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

/// The heads of the streams that were written last.
pub type Heads = Generations<StreamName, StreamHead>;

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
            assert_eq!(heads.get(&hot), Some(&head(n)));
        }
        assert!(heads.len() <= 2 * GENERATION_MAX);
        assert_eq!(heads.get(&StreamName::new("test", "0")), None);
    }
}
