//! How old a standby is: since when it lacks something that the primary had.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gamemesh_repository::Position;

/// Ends of the lanes that are waited for. Beyond them the newest takes the place of the one before it:
/// the age that is told stays that of the oldest.
const WAITED_FOR_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Lag {
    /// Where the lanes ended at a time, the oldest first; the standby has reached none of them.
    waited_for: VecDeque<(Instant, Vec<Position>)>,
}

impl Lag {
    /// At this time the lanes ended here, and the standby turned out to have come so far.
    pub(super) fn observe(&mut self, at: Instant, ends: Vec<Position>, reached: &[Position]) {
        if self.waited_for.len() >= WAITED_FOR_MAX {
            self.waited_for.pop_back();
        }
        self.waited_for.push_back((at, ends));
        let has = |ends: &[Position]| ends.iter().zip(reached).all(|(end, at)| at >= end);
        while self.waited_for.front().is_some_and(|(_, ends)| has(ends)) {
            self.waited_for.pop_front();
        }
    }

    pub(super) fn age(&self) -> Duration {
        self.waited_for.front().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_end_that_was_not_reached() {
        let mut lag = Lag::default();
        let began = Instant::now() - Duration::from_secs(1_000);
        let at = |seconds| began + Duration::from_secs(seconds);
        lag.observe(at(0), vec![5, 5], &[5, 5]);
        assert_eq!(lag.age(), Duration::ZERO);
        // Always a little behind is no growing age.
        for n in 1..500 {
            lag.observe(at(n), vec![5 + n, 5], &[4 + n, 5]);
            assert!(lag.age() <= at(n).elapsed() + Duration::from_secs(1), "{n}");
        }
        for n in 500..900 {
            lag.observe(at(n), vec![5 + n, 5], &[503, 5]);
        }
        assert!(lag.age() >= at(500).elapsed() && lag.waited_for.len() <= WAITED_FOR_MAX);
        lag.observe(at(901), vec![950, 5], &[950, 5]);
        assert_eq!(lag.age(), Duration::ZERO);
    }
}
