//! How old what this instance shows may be.
//!
//! Beside other instances the log observes the tails of its lanes now and then. Once the feed has
//! released what an observation found, this instance shows whatever had been acknowledged anywhere when
//! that observation began.

use std::time::Instant;

use gamemesh_repository::{Position, TailObservation};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Since when what is shown of a lane may be behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staleness {
    /// It cannot be behind: every write passes through this process.
    None,
    /// Everything that was acknowledged before this instant is shown; what came later may be missing.
    Since(Instant),
    Unknown,
}

impl Staleness {
    /// The better of two bounds that both hold of one thing.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Since(one), Self::Since(other)) => Self::Since(one.max(other)),
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::Unknown, bound) | (bound, Self::Unknown) => bound,
        }
    }

    /// The bound that holds of two things together.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Since(one), Self::Since(other)) => Self::Since(one.min(other)),
            (Self::None, bound) | (bound, Self::None) => bound,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
        }
    }
}

/// Compares the observations of one lane's tail with what has been released.
pub(crate) struct FreshnessTracker {
    observations: watch::Receiver<TailObservation>,
    reached: Mutex<Reached>,
}

struct Reached {
    /// When the newest observation began of which everything has been released.
    at: Option<Instant>,
    /// The oldest observation of which something is still missing. Without it the feed, which is always a
    /// little behind while others write, would never be found to have reached the newest.
    pending: Option<TailObservation>,
}

impl FreshnessTracker {
    pub(crate) fn new(observations: watch::Receiver<TailObservation>) -> Self {
        Self { observations, reached: Mutex::new(Reached { at: None, pending: None }) }
    }

    pub(crate) fn observations(&self) -> watch::Receiver<TailObservation> {
        self.observations.clone()
    }

    /// The staleness of the lane, now that everything up to a position has been released.
    pub(crate) fn staleness(&self, released: Position) -> Staleness {
        let newest = *self.observations.borrow();
        let mut reached = self.reached.lock();
        for observation in reached.pending.take().into_iter().chain([newest]) {
            if observation.position <= released {
                reached.at = reached.at.max(Some(observation.at));
            } else {
                reached.pending.get_or_insert(observation);
            }
        }
        reached.at.map_or(Staleness::Unknown, Staleness::Since)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_observation_counts_once_everything_that_it_found_is_released() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (log, observations) = watch::channel(TailObservation { at: start, position: 10 });
        let tracker = FreshnessTracker::new(observations);
        assert_eq!(tracker.staleness(9), Staleness::Unknown);
        assert_eq!(tracker.staleness(10), Staleness::Since(start));
        // Others write all the time, and the feed never reaches the newest observation.
        log.send_replace(TailObservation { at: at(5), position: 20 });
        assert_eq!(tracker.staleness(15), Staleness::Since(start));
        log.send_replace(TailObservation { at: at(10), position: 30 });
        assert_eq!(tracker.staleness(25), Staleness::Since(at(5)));
        log.send_replace(TailObservation { at: at(15), position: 40 });
        assert_eq!(tracker.staleness(35), Staleness::Since(at(10)));
        // Where nothing new is written, observing alone makes it fresh.
        log.send_replace(TailObservation { at: at(900), position: 40 });
        assert_eq!(tracker.staleness(40), Staleness::Since(at(900)));
    }

    #[test]
    fn two_things_together_are_as_old_as_the_older() {
        let (one, other) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let [one, other] = [one, other].map(Staleness::Since);
        assert_eq!(other.joined(one), one);
        assert_eq!(Staleness::None.joined(one), one);
        assert_eq!(one.joined(Staleness::Unknown), Staleness::Unknown);
    }

    #[test]
    fn of_two_bounds_on_one_thing_the_tighter_holds() {
        let (one, other) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let [one, other] = [one, other].map(Staleness::Since);
        assert_eq!(other.tighter(one), other);
        assert_eq!(one.tighter(other), other);
        assert_eq!(Staleness::None.tighter(one), Staleness::None);
        assert_eq!(one.tighter(Staleness::Unknown), one);
        assert_eq!(Staleness::Unknown.tighter(one), one);
    }
}
