//! How long ago this instance knew everything.
//!
//! Beside other instances the log looks at the ends of its lanes now and then. Once the feed has
//! released what a look found, whatever had been acknowledged anywhere when that look began is in what
//! this instance shows.

use std::time::Instant;

use gamemesh_repository::{Position, Sight};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Since when what is shown of a lane may be behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It cannot be: every write passes through this process.
    Everything,
    /// Everything that was acknowledged before this instant has been seen.
    Before(Instant),
    /// It is not known.
    Unknown,
}

impl Seen {
    /// The better of two that both hold of one thing.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Before(one), Self::Before(other)) => Self::Before(one.max(other)),
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Unknown, seen) | (seen, Self::Unknown) => seen,
        }
    }

    /// What holds of two things together.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Before(one), Self::Before(other)) => Self::Before(one.min(other)),
            (Self::Everything, seen) | (seen, Self::Everything) => seen,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
        }
    }
}

/// The looks at one lane.
pub(super) struct LaneSight {
    looks: watch::Receiver<Sight>,
    reached: Mutex<Reached>,
}

struct Reached {
    /// The newest look of which everything has been released.
    at: Option<Instant>,
    /// The oldest one since of which that has not been so. Without it the feed, which is always a
    /// little behind while others write, would never be found to have reached the newest.
    waiting: Option<Sight>,
}

impl LaneSight {
    pub(super) fn new(looks: watch::Receiver<Sight>) -> Self {
        Self { looks, reached: Mutex::new(Reached { at: None, waiting: None }) }
    }

    pub(super) fn looks(&self) -> watch::Receiver<Sight> {
        self.looks.clone()
    }

    /// When the newest look began of which everything has been released, now that everything up to
    /// here has.
    pub(super) fn seen(&self, released: Position) -> Seen {
        let newest = *self.looks.borrow();
        let mut reached = self.reached.lock();
        for look in reached.waiting.take().into_iter().chain([newest]) {
            if look.position <= released {
                reached.at = reached.at.max(Some(look.at));
            } else {
                reached.waiting.get_or_insert(look);
            }
        }
        reached.at.map_or(Seen::Unknown, Seen::Before)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_look_counts_once_everything_that_it_found_is_released() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (log, looks) = watch::channel(Sight { at: start, position: 10 });
        let sight = LaneSight::new(looks);
        assert_eq!(sight.seen(9), Seen::Unknown);
        assert_eq!(sight.seen(10), Seen::Before(start));
        // Others write all the time, and the feed never reaches the newest look.
        log.send_replace(Sight { at: at(5), position: 20 });
        assert_eq!(sight.seen(15), Seen::Before(start));
        log.send_replace(Sight { at: at(10), position: 30 });
        assert_eq!(sight.seen(25), Seen::Before(at(5)));
        log.send_replace(Sight { at: at(15), position: 40 });
        assert_eq!(sight.seen(35), Seen::Before(at(10)));
        // Without news, looking alone makes it fresh.
        log.send_replace(Sight { at: at(900), position: 40 });
        assert_eq!(sight.seen(40), Seen::Before(at(900)));
    }

    #[test]
    fn what_holds_together_is_as_old_as_its_oldest() {
        let (one, other) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let [one, other] = [one, other].map(Seen::Before);
        assert_eq!(other.and(one), one);
        assert_eq!(Seen::Everything.and(one), one);
        assert_eq!(one.and(Seen::Unknown), Seen::Unknown);
    }

    #[test]
    fn of_one_thing_the_better_holds() {
        let (one, other) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let [one, other] = [one, other].map(Seen::Before);
        assert_eq!(other.or(one), other);
        assert_eq!(one.or(other), other);
        assert_eq!(Seen::Everything.or(one), Seen::Everything);
        assert_eq!(one.or(Seen::Unknown), one);
        assert_eq!(Seen::Unknown.or(one), one);
    }
}
