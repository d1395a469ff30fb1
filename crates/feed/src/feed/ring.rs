//! Entries of one lane that are kept for readers a little behind, and the rule of release.

use std::collections::VecDeque;
use std::sync::Arc;

use gamemesh_repository::{Position, StreamName};

use super::{Entry, Read};

/// Entries kept; older ones are read from the log.
const RING_EVENTS_MAX: usize = 8_192;

pub(super) struct Ring<E> {
    /// Position of the first slot.
    first: Position,
    slots: VecDeque<Option<Arc<E>>>,
    /// Everything up to here has been released.
    released: Position,
}

impl<E: Entry> Ring<E> {
    pub(super) fn after(end: Position) -> Self {
        Self { first: end + 1, slots: VecDeque::new(), released: end }
    }

    pub(super) fn released(&self) -> Position {
        self.released
    }

    pub(super) fn place(&mut self, entry: Arc<E>) {
        let position = entry.event().position;
        if position <= self.released {
            return;
        }
        let at = (position - self.first) as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, None);
        }
        self.slots[at] = Some(entry);
    }

    /// Whether a later event of this stream has been offered.
    pub(super) fn is_overtaken(&self, stream: &StreamName, position: Position) -> bool {
        let later = (position + 1).saturating_sub(self.first) as usize;
        let mut later = self.slots.iter().skip(later).flatten();
        later.any(|entry| entry.event().stream == *stream)
    }

    /// Releases what is there without a gap. Says whether it released anything.
    pub(super) fn release(&mut self) -> bool {
        let before = self.released;
        let next = |ring: &Self| (ring.released + 1 - ring.first) as usize;
        while self.slots.get(next(self)).is_some_and(Option::is_some) {
            self.released += 1;
        }
        while self.slots.len() > RING_EVENTS_MAX && self.first <= self.released {
            self.slots.pop_front();
            self.first += 1;
        }
        self.released > before
    }

    /// Up to `limit` released entries after `after`.
    pub(super) fn read(&self, after: Position, limit: usize) -> Read<E> {
        if after + 1 < self.first {
            return Read::Behind;
        }
        let skip = (after + 1 - self.first) as usize;
        let ready = (self.released.saturating_sub(after) as usize).min(limit);
        Read::Events(self.slots.iter().skip(skip).take(ready).flatten().cloned().collect())
    }
}
