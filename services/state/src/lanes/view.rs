//! What an instance knows of the lanes at one moment.

use std::sync::Arc;

use gamemesh_repository::{Lane, Term};
use gamemesh_rpc::peer::Peer;
use tokio::time::Instant;

/// Who writes to a lane.
#[derive(Clone)]
pub(super) enum Seat {
    Mine,
    Theirs(Arc<Peer>),
    /// Nobody in particular.
    Free,
}

pub(super) struct View {
    seats: Vec<Seat>,
    /// This instance's own lease.
    term: Term,
    /// Whether waiting would bring something better: the view is of a lease that was, and nobody has
    /// tried since to renew it.
    renewable: bool,
}

impl View {
    /// Of an instance with a lease.
    pub(super) fn new(seats: Vec<Seat>, term: Term) -> Self {
        Self { seats, term, renewable: true }
    }

    /// Of an instance whose lease could not be renewed: it knows nothing.
    pub(super) fn unknown(lanes: u16, now: Instant) -> Self {
        let seats = vec![Seat::Free; usize::from(lanes)];
        Self { seats, term: Term::over(now), renewable: false }
    }

    /// Of an instance that has left: it owns nothing, and needs no lease to pass calls on.
    pub(super) fn left(seats: Vec<Seat>, now: Instant) -> Self {
        Self { seats, term: Term::over(now), renewable: false }
    }

    pub(super) fn seat(&self, lane: Lane) -> &Seat {
        self.seats.get(usize::from(lane.0)).unwrap_or(&Seat::Free)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.term.is_over(now)
    }

    /// An instance that slept finds out here, before it acts by what it knew.
    pub(super) fn must_be_learnt(&self, now: Instant) -> bool {
        self.renewable && self.term.is_over(now)
    }

    pub(super) fn owned(&self) -> usize {
        self.seats.iter().filter(|seat| matches!(seat, Seat::Mine)).count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_sleeper_knew_must_be_learnt_anew() {
        let (slept, lease) = (Instant::now(), Duration::from_secs(10));
        let view = View::new(vec![Seat::Mine, Seat::Free], Term::granted(slept, lease));
        assert_eq!(view.owned(), 1);
        assert!(!view.must_be_learnt(slept + Duration::from_secs(3)));
        let woke = slept + Duration::from_secs(30);
        assert!(view.is_over(woke) && view.must_be_learnt(woke));

        // Where the store does not answer nobody waits for it.
        let unknown = View::unknown(2, woke);
        assert!(unknown.is_over(woke) && !unknown.must_be_learnt(woke));
        assert!(matches!(unknown.seat(Lane(0)), Seat::Free));
        assert!(matches!(view.seat(Lane(9)), Seat::Free));
    }
}
