//! What clients have been told lately, for those who missed some of it.

use std::collections::VecDeque;

use gamemesh_contracts::combat::v1 as pb;
use prost::Message as _;

/// Events that are kept of one session.
const EVENTS_MAX: usize = 2_048;

/// Their size, in bytes.
const BYTES_MAX: usize = 512 << 10;

/// The newest events of a session. Their numbers have no gap.
#[derive(Debug, Default)]
pub(crate) struct EventRing {
    events: VecDeque<pb::CombatEvent>,
    bytes: usize,
    /// Number of the newest event, also where it is no longer kept.
    last: u64,
}

impl EventRing {
    /// A ring that goes on after so many events.
    pub(crate) fn after(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Gives an event its number.
    pub(crate) fn push(&mut self, mut event: pb::CombatEvent) -> u64 {
        self.last += 1;
        event.seq = self.last;
        self.bytes += event.encoded_len();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.encoded_len();
        }
        self.last
    }

    /// The events after a number; `None`: some of them are no longer kept, or the number is not of this
    /// session.
    pub(crate) fn since(&self, number: u64) -> Option<impl Iterator<Item = &pb::CombatEvent>> {
        let missed = usize::try_from(self.last.checked_sub(number)?).ok()?;
        let skipped = self.events.len().checked_sub(missed)?;
        Some(self.events.iter().skip(skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(ring: &EventRing, number: u64) -> Option<Vec<u64>> {
        ring.since(number).map(|events| events.map(|event| event.seq).collect())
    }

    #[test]
    fn exactly_what_was_missed() {
        let mut ring = EventRing::after(40);
        for _ in 0..5 {
            ring.push(pb::CombatEvent::default());
        }
        assert_eq!(missed(&ring, 42).unwrap(), [43, 44, 45]);
        assert_eq!(missed(&ring, 45).unwrap(), [] as [u64; 0]);
        assert_eq!(missed(&ring, 40).unwrap(), [41, 42, 43, 44, 45]);
        // Older than what is kept, and from another session's future.
        assert!(missed(&ring, 39).is_none() && missed(&ring, 46).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut ring = EventRing::default();
        let session_id = "x".repeat(1_000);
        for _ in 0..10_000 {
            ring.push(pb::CombatEvent { session_id: session_id.clone(), ..Default::default() });
        }
        assert!(ring.bytes <= BYTES_MAX && ring.events.len() <= EVENTS_MAX);
        assert_eq!(ring.last(), 10_000);
        assert!(missed(&ring, 9_990).is_some_and(|missed| missed.len() == 10));
    }
}
