//! What other instances have written on behalf of callers of this one.
//!
//! The callers are told, so for them it is as if this instance had written it, although its log may
//! not have seen it yet.

use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_repository::{Lane, Position};

/// The last position of each lane.
pub(super) struct Heard(Box<[AtomicU64]>);

impl Heard {
    pub(super) fn new(lanes: u16) -> Self {
        Self((0..lanes).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn raise(&self, lane: Lane, position: Position) {
        if let Some(last) = self.0.get(usize::from(lane.0)) {
            last.fetch_max(position, Ordering::AcqRel);
        }
    }

    pub(super) fn position(&self, lane: Lane) -> Position {
        self.0.get(usize::from(lane.0)).map_or(0, |last| last.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_only_raised() {
        let heard = Heard::new(2);
        heard.raise(Lane(1), 7);
        heard.raise(Lane(1), 5);
        heard.raise(Lane(2), 9);
        assert_eq!([0, 1, 2].map(|lane| heard.position(Lane(lane))), [0, 7, 0]);
    }
}
