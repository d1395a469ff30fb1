use gamemesh_repository::memory::MemoryStore;
use uuid::Uuid;

use super::*;

pub(in crate::engine) fn event(lane: u16, position: Position) -> Event {
    Event {
        stream: StreamName::new("guild", "g"),
        version: 1,
        lane: Lane(lane),
        position,
        time_us: 0,
        id: Uuid::nil(),
        kind: "created".into(),
        data: bytes::Bytes::new(),
        meta: bytes::Bytes::new(),
    }
}

fn applied(lane: u16, position: Position) -> Arc<Applied> {
    let event = event(lane, position);
    Arc::new(Applied { event, before: Arc::default(), after: Arc::default() })
}

fn released(feed: &Feed) -> Vec<Position> {
    feed.lanes().map(|lane| *feed.released(lane).borrow()).collect()
}

#[test]
fn what_is_offered_for_several_lanes_is_announced_in_each() {
    let feed = Feed::new(&*MemoryStore::with_lanes(3));
    feed.offer(vec![applied(0, 1), applied(2, 1), applied(0, 2)]);
    assert_eq!(released(&feed), [2, 0, 1]);
}

#[test]
fn a_gap_holds_back_what_is_behind_it() {
    let feed = Feed::new(&*MemoryStore::with_lanes(1));
    feed.offer(vec![applied(0, 3), applied(0, 2)]);
    assert_eq!(released(&feed), [0]);
    feed.offer(vec![applied(0, 1)]);
    assert_eq!(released(&feed), [3]);
    let Read::Events(events) = feed.read(Lane(0), 1, 10) else { panic!("it is kept") };
    let positions: Vec<_> = events.iter().map(|applied| applied.event.position).collect();
    assert_eq!(positions, [2, 3]);
}

#[test]
fn an_event_is_overtaken_by_a_later_one_of_its_stream_only() {
    let feed = Feed::new(&*MemoryStore::with_lanes(1));
    let other = Event { stream: StreamName::new("guild", "other"), ..event(0, 4) };
    let other = Arc::new(Applied { event: other, before: Arc::default(), after: Arc::default() });
    feed.offer(vec![applied(0, 1), applied(0, 3), other]);
    let ring = feed.lane(Lane(0)).ring.lock();
    let overtaken = |id, position| ring.is_overtaken(&StreamName::new("guild", id), position);
    assert_eq!([1, 2, 3, 9].map(|position| overtaken("g", position)), [true, true, false, false]);
    assert_eq!([1, 4].map(|position| overtaken("other", position)), [true, false]);
    assert!(!overtaken("third", 1));
}
