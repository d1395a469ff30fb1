//! How far this instance knows the streams of each slice.

use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_repository::{Position, SLICES, StreamName};

pub(crate) struct Known {
    /// Where the lanes ended when the store was opened: what came before may have been acknowledged to
    /// anybody.
    at_start: Box<[Position]>,
    slices: Box<[AtomicU64]>,
}

impl Known {
    pub(super) fn new(lanes: &[Position]) -> Self {
        let slices = (0..SLICES).map(|_| AtomicU64::new(0)).collect();
        Self { at_start: lanes.into(), slices }
    }

    pub(super) fn lanes(&self) -> u16 {
        self.at_start.len() as u16
    }

    pub(super) fn raise(&self, stream: &StreamName, position: Position) {
        self.slices[usize::from(stream.slice())].fetch_max(position, Ordering::AcqRel);
    }

    /// The position in the stream's lane from which on a reader has everything that is known of it.
    pub(super) fn of(&self, stream: &StreamName) -> Position {
        let lane = usize::from(stream.lane(self.lanes()).0);
        let known = self.slices[usize::from(stream.slice())].load(Ordering::Acquire);
        known.max(self.at_start[lane])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_known_to_where_it_was_seen_and_to_where_the_store_was_opened() {
        let known = Known::new(&[10, 20]);
        let stream = StreamName::new("player", "1");
        let start = known.of(&stream);
        assert_eq!(start, [10, 20][usize::from(stream.lane(2).0)]);
        known.raise(&stream, 5);
        assert_eq!(known.of(&stream), start);
        known.raise(&stream, 99);
        known.raise(&stream, 98);
        assert_eq!(known.of(&stream), 99);
        let others = (0..50).map(|n| StreamName::new("other", &n.to_string()));
        let apart = others.filter(|other| other.slice() != stream.slice());
        assert!(apart.map(|other| known.of(&other)).all(|position| position <= 20));
    }
}
