//! Committed events of a lane that other instances have told of, until it is their turn: the rule alone,
//! and a wake.

use std::collections::BTreeMap;

use gamemesh_repository::{Event, Position};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Events that wait for what lies before them. Those that find no room are read from the log.
const WAITING_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Told {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    events: BTreeMap<Position, Event>,
    /// The last position that was told of: so far the log goes at least.
    end: Position,
}

impl Told {
    /// In any order, and more than once.
    pub(super) fn add(&self, events: Vec<Event>) {
        let mut waiting = self.waiting.lock();
        for event in events {
            waiting.end = event.position.max(waiting.end);
            if waiting.events.len() < WAITING_MAX {
                waiting.events.insert(event.position, event);
            }
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// The events right after a position, without a gap. What lies before is forgotten.
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

    /// Something was told since this was last awaited.
    pub(super) async fn news(&self) {
        self.news.notified().await;
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
        let told = Told::default();
        told.add([7, 4, 3, 9, 3, 8].map(|position| event(0, position)).into());
        assert_eq!(told.end(), 9);
        assert!(told.next(1).is_empty(), "2 is missing");
        assert_eq!(positions(&told.next(2)), [3, 4]);
        assert!(told.next(4).is_empty() && told.next(5).is_empty());
        told.add(vec![event(0, 6), event(0, 2)]);
        assert_eq!(positions(&told.next(5)), [6, 7, 8, 9]);
        assert!(told.next(9).is_empty() && told.waiting.lock().events.is_empty());
    }

    #[test]
    fn it_is_bounded() {
        let told = Told::default();
        let last = 2 * WAITING_MAX as Position;
        told.add((2..=last).map(|position| event(0, position)).collect());
        assert_eq!(told.waiting.lock().events.len(), WAITING_MAX);
        assert_eq!(told.end(), last, "the log is asked for the rest");
        assert_eq!(told.next(1).len(), WAITING_MAX);
        told.add(vec![event(0, last)]);
        assert!(told.next(last).is_empty(), "what was shown meanwhile makes room");
        assert!(told.waiting.lock().events.is_empty());
    }
}
