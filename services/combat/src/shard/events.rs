//! What clients have been told lately, for those who missed some of it.

use std::collections::VecDeque;

use gamemesh_contracts::combat::v1 as pb;
use prost::Message as _;

/// Events that are kept of one session.
const EVENTS_MAX: usize = 2_048;

/// Their size, in bytes.
const BYTES_MAX: usize = 512 << 10;

/// Events of one frame, in bytes: what a client is behind by more than this comes in several frames.
pub(crate) const FRAME_EVENTS_BYTES_MAX: usize = 16 << 10;

/// Owners that are remembered, with the number of the last event before each.
const OWNERS_MAX: usize = 64;

/// The newest events of a session. Their numbers have no gap.
#[derive(Debug, Default)]
pub(crate) struct EventRing {
    events: VecDeque<pb::CombatEvent>,
    bytes: usize,
    /// Number of the newest event, also where it is no longer kept.
    last: u64,
    /// The epochs of the session's owners, and how many events there were when each began. What an owner
    /// told and did not write is not part of the session: its numbers stand for other events now.
    owners: VecDeque<(u64, u64)>,
}

impl EventRing {
    /// The ring of a session that an owner of this epoch begins.
    pub(crate) fn of(epoch: u64) -> Self {
        Self { owners: [(epoch, 0)].into(), ..Self::default() }
    }

    /// A ring that goes on after so many events, with an owner of this epoch.
    pub(crate) fn after(last: u64, epoch: u64) -> Self {
        // When he began is not known: what was told before all that is kept is not vouched for.
        Self { last, owners: [(epoch, last.saturating_sub(1))].into(), ..Self::default() }
    }

    /// From here on the events are those of an owner of this epoch.
    pub(crate) fn begins(&mut self, epoch: u64) {
        if self.owners.back().is_some_and(|(known, _)| *known == epoch) {
            return;
        }
        if self.owners.len() == OWNERS_MAX {
            self.owners.pop_front();
        }
        self.owners.push_back((epoch, self.last));
    }

    /// Whether an event that an owner of this epoch told is one of the session's.
    pub(crate) fn is_kept(&self, epoch: u64, number: u64) -> bool {
        let next = self.owners.iter().find(|(began, _)| *began > epoch);
        number <= next.map_or(self.last, |(_, before)| *before)
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

    /// As many of the events after a number as have room in so many bytes, at least one if there is one, and
    /// the number of the last of them. `None`: as in [`Self::since`].
    pub(crate) fn page(
        &self,
        number: u64,
        bytes_max: usize,
    ) -> Option<(Vec<pb::CombatEvent>, u64)> {
        let mut bytes = 0;
        let fits = |event: &&pb::CombatEvent| {
            let is_first = bytes == 0;
            bytes += event.encoded_len();
            is_first || bytes <= bytes_max
        };
        let events: Vec<_> = self.since(number)?.take_while(fits).cloned().collect();
        let last = events.last().map_or(number, |event| event.seq);
        Some((events, last))
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
        let mut ring = EventRing::after(40, 1);
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
    fn what_an_owner_told_and_did_not_write_is_none_of_the_sessions_events() {
        let mut ring = EventRing::of(3);
        let tell = |ring: &mut EventRing, count| {
            for _ in 0..count {
                ring.push(pb::CombatEvent::default());
            }
        };
        tell(&mut ring, 10);
        // The owner of epoch 3 told more, and died; so did the one of epoch 5.
        ring.begins(5);
        tell(&mut ring, 2);
        ring.begins(9);
        tell(&mut ring, 8);
        let table = [
            (3, 10, true),
            (3, 11, false),
            (3, 15, false),
            (4, 10, true),
            (5, 12, true),
            (5, 13, false),
            (9, 20, true),
            (9, 21, false),
        ];
        for (epoch, number, kept) in table {
            assert_eq!(ring.is_kept(epoch, number), kept, "{number} of {epoch}");
        }
        // Of a ring that begins in the middle nothing older is vouched for.
        let mut later = EventRing::after(50, 7);
        tell(&mut later, 5);
        assert!(later.is_kept(7, 55) && later.is_kept(6, 49) && !later.is_kept(6, 50));
        // The same owner begins once.
        ring.begins(9);
        assert_eq!(ring.owners.len(), 3);
    }

    #[test]
    fn what_one_frame_has_is_bounded_and_the_next_one_goes_on() {
        let mut ring = EventRing::default();
        for size in [10, 20_000, 9_000, 7_000, 500] {
            let session_id = "x".repeat(size);
            ring.push(pb::CombatEvent { session_id, ..Default::default() });
        }
        let mut pages = Vec::new();
        let mut told = 0;
        while told < ring.last() {
            let (events, last) = ring.page(told, FRAME_EVENTS_BYTES_MAX).unwrap();
            pages.push(events.iter().map(|event| event.seq).collect::<Vec<_>>());
            told = last;
        }
        // One that is too large for any frame goes by itself.
        assert_eq!(pages, [vec![1], vec![2], vec![3, 4], vec![5]]);
        assert_eq!(ring.page(5, 1).unwrap(), (Vec::new(), 5));
        assert!(ring.page(6, 1).is_none());
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
