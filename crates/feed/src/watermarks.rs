//! How far other instances have written on behalf of callers of this one.
//!
//! Such a caller was answered here, so he expects to read here what he has written, although the log of
//! this instance may not have seen it yet.

use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_repository::{Lane, Position};

/// The last known position of each lane.
pub(crate) struct RemoteWatermarks(Box<[AtomicU64]>);

impl RemoteWatermarks {
    pub(crate) fn new(lanes: u16) -> Self {
        Self((0..lanes).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn raise(&self, lane: Lane, position: Position) {
        if let Some(last) = self.0.get(usize::from(lane.0)) {
            last.fetch_max(position, Ordering::AcqRel);
        }
    }

    pub(crate) fn position(&self, lane: Lane) -> Position {
        self.0.get(usize::from(lane.0)).map_or(0, |last| last.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_never_goes_back() {
        let watermarks = RemoteWatermarks::new(2);
        watermarks.raise(Lane(1), 7);
        watermarks.raise(Lane(1), 5);
        watermarks.raise(Lane(2), 9);
        let positions = [0, 1, 2].map(|lane| watermarks.position(Lane(lane)));
        assert_eq!(positions, [0, 7, 0]);
    }
}
