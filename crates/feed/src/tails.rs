//! How far the log goes, as this instance knows it, and waiting for the feed to get there.

use std::time::{Duration, Instant};

use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Lane, Position, TailObservation};

use crate::{Cut, Entry, Feed, Staleness};

/// How long a read waits for the feed to release what its token names.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

impl<E: Entry> Feed<E> {
    /// The end of a lane: everything that this instance has acknowledged or shown lies at or before it.
    pub fn tail(&self, lane: Lane) -> Position {
        (*self.log.tail(lane).borrow()).max(self.watermarks.position(lane))
    }

    /// The end of each lane.
    pub fn committed(&self) -> Cut {
        Cut(self.lanes().map(|lane| (lane, self.tail(lane))).collect())
    }

    /// Another instance has written up to here on behalf of a caller of this one, who is told so.
    pub fn raise_watermarks(&self, cut: &Cut) {
        for &(lane, position) in &cut.0 {
            self.watermarks.raise(lane, position);
        }
    }

    /// Up to where everything has been released, and how old that may be.
    pub fn progress(&self) -> (Cut, Staleness) {
        let mut released = Cut::default();
        let mut staleness = Staleness::None;
        for lane in self.lanes() {
            staleness = staleness.joined(self.staleness(lane));
            released.raise(lane, self.position(lane));
        }
        match self.log.is_sole_writer() {
            true => (released, Staleness::None),
            false => (released, staleness),
        }
    }

    /// Waits until everything up to the cut of a token, which stands in `field` of the request, has been
    /// released.
    pub async fn catch_up(&self, field: &str, cut: &Cut) -> Result<()> {
        for &(lane, position) in &cut.0 {
            self.check_position(field, lane, position)?;
            let mut released = self.released(lane);
            if *released.borrow() >= position {
                continue;
            }
            self.log.refresh_tail();
            let reached = released.wait_for(|released| *released >= position);
            if tokio::time::timeout(CATCH_UP_MAX, reached).await.is_err() {
                return Err(Error::new(
                    Code::DependencyUnavailable,
                    "this instance has not yet seen what the token names; try again",
                )
                .with_retry_after(CATCH_UP_MAX));
            }
        }
        Ok(())
    }

    /// The end of each lane as it was at most `age` before this call, or later, and when that was.
    pub async fn observe_tails(&self, age: Duration) -> Result<(Cut, Staleness)> {
        let called = Instant::now();
        let (mut end, mut staleness) = (self.committed(), Staleness::None);
        for lane in self.lanes() {
            let Some(mut observations) = self.tail_observations(lane) else { continue };
            let recent = |seen: &TailObservation| called.saturating_duration_since(seen.at) <= age;
            if !recent(&observations.borrow()) {
                self.log.refresh_tail();
            }
            let observed = tokio::time::timeout(CATCH_UP_MAX, observations.wait_for(recent)).await;
            let Ok(Ok(observation)) = observed else {
                return Err(Error::new(
                    Code::DependencyUnavailable,
                    "the end of the log could not be seen; try again",
                )
                .with_retry_after(CATCH_UP_MAX));
            };
            end.raise(lane, observation.position);
            staleness = staleness.joined(Staleness::Since(observation.at));
        }
        Ok((end, staleness))
    }

    /// Refuses a position that a token of this store cannot name.
    fn check_position(&self, field: &str, lane: Lane, position: Position) -> Result<()> {
        let refuse = |what: &str| {
            Err(Error::new(Code::TokenForeign, format!("{field}: {what}")).with_field(field, what))
        };
        if lane.0 >= self.log.lanes() {
            return refuse("the token names a lane that is not here; start again without it");
        }
        if self.log.is_sole_writer() && position > self.tail(lane) {
            return refuse(
                "the token names a position that this store has not reached: it was restored from \
                 an older copy; start again without it",
            );
        }
        Ok(())
    }
}
