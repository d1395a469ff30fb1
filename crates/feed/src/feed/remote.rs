//! Committed events of a lane that other instances have pushed, until everything before them has been
//! released: the rule alone, and a wake.

use std::collections::BTreeMap;

use gamemesh_repository::{Event, Position};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Events that wait for what lies before them. Those that find no room are read from the log.
const WAITING_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct RemoteEventBuffer {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    events: BTreeMap<Position, Event>,
    /// The last position that was pushed: the log goes at least this far.
    end: Position,
}

impl RemoteEventBuffer {
    /// Takes events in any order, also repeated.
    pub(super) fn push(&self, events: Vec<Event>) {
        let mut waiting = self.waiting.lock();
        for event in events {
            waiting.end = event.position.max(waiting.end);
            if waiting.events.len() < WAITING_MAX {
                waiting.events.insert(event.position, event);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// The events right after a position, without a gap. Earlier ones are dropped.
    pub(super) fn next(&self, after: Position) -> Vec<Event> {
        let mut waiting = self.waiting.lock();
        waiting.events = waiting.events.split_off(&(after + 1));
        let run = (after + 1..).zip(waiting.events.keys()).take_while(|(next, at)| next == *at);
        let beyond = after + 1 + run.count() as Position;
        let rest = waiting.events.split_off(&beyond);
        std::mem::replace(&mut waiting.events, rest).into_values().collect()
    }

    pub(super) fn end(&self) -> Position {
        self.waiting.lock().end
    }

    /// Returns once something has been pushed since this was last awaited.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::event;
    use super::*;

    fn positions(events: &[Event]) -> Vec<Position> {
        events.iter().map(|event| event.position).collect()
    }

    #[test]
    fn only_what_joins_without_a_gap_is_next() {
        let buffer = RemoteEventBuffer::default();
        buffer.push([7, 4, 3, 9, 3, 8].map(|position| event(0, position)).into());
        assert_eq!(buffer.end(), 9);
        assert!(buffer.next(1).is_empty(), "2 is missing");
        assert_eq!(positions(&buffer.next(2)), [3, 4]);
        assert!(buffer.next(4).is_empty() && buffer.next(5).is_empty());
        buffer.push(vec![event(0, 6), event(0, 2)]);
        assert_eq!(positions(&buffer.next(5)), [6, 7, 8, 9]);
        assert!(buffer.next(9).is_empty() && buffer.waiting.lock().events.is_empty());
    }

    #[test]
    fn the_buffer_is_bounded() {
        let buffer = RemoteEventBuffer::default();
        let last = 2 * WAITING_MAX as Position;
        buffer.push((2..=last).map(|position| event(0, position)).collect());
        assert_eq!(buffer.waiting.lock().events.len(), WAITING_MAX);
        assert_eq!(buffer.end(), last, "the log is asked for the rest");
        assert_eq!(buffer.next(1).len(), WAITING_MAX);
        buffer.push(vec![event(0, last)]);
        assert!(buffer.next(last).is_empty(), "what was released meanwhile makes room");
        assert!(buffer.waiting.lock().events.is_empty());
    }
}
