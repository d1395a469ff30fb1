use gamemesh_repository::StreamName;
use gamemesh_repository::memory::MemoryStore;
use uuid::Uuid;

use super::*;

pub(super) fn event(lane: u16, position: Position) -> Event {
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

fn entry(lane: u16, position: Position) -> Arc<Event> {
    Arc::new(event(lane, position))
}

fn feed(lanes: u16) -> Feed<Event> {
    Feed::new(MemoryStore::with_lanes(lanes), FeedMetrics::default())
}

fn released(feed: &Feed<Event>) -> Vec<Position> {
    feed.lanes().map(|lane| *feed.released(lane).borrow()).collect()
}

#[test]
fn what_is_offered_for_several_lanes_is_announced_in_each() {
    let feed = feed(3);
    feed.offer(vec![entry(0, 1), entry(2, 1), entry(0, 2)]);
    assert_eq!(released(&feed), [2, 0, 1]);
}

#[test]
fn a_gap_holds_back_what_is_behind_it() {
    let feed = feed(1);
    feed.offer(vec![entry(0, 3), entry(0, 2)]);
    assert_eq!(released(&feed), [0]);
    feed.offer(vec![entry(0, 1)]);
    assert_eq!(released(&feed), [3]);
    let Read::Events(events) = feed.read(Lane(0), 1, 10) else { panic!("it is kept") };
    let positions: Vec<_> = events.iter().map(|event| event.position).collect();
    assert_eq!(positions, [2, 3]);
}

#[test]
fn an_event_is_overtaken_by_a_later_one_of_its_stream_only() {
    let feed = feed(1);
    let other = Event { stream: StreamName::new("guild", "other"), ..event(0, 4) };
    feed.offer(vec![entry(0, 1), entry(0, 3), Arc::new(other)]);
    let ring = feed.lane(Lane(0)).ring.lock();
    let overtaken = |id, position| ring.is_overtaken(&StreamName::new("guild", id), position);
    assert_eq!([1, 2, 3, 9].map(|position| overtaken("g", position)), [true, true, false, false]);
    assert_eq!([1, 4].map(|position| overtaken("other", position)), [true, false]);
    assert!(!overtaken("third", 1));
}

/// Nobody offers them: they are read from the log, or taken from what another instance pushes.
#[tokio::test]
async fn what_nobody_offers_is_released_all_the_same() {
    use gamemesh_repository::{Append, Expected, NewEvent, StreamAppend};

    let store = MemoryStore::with_lanes(1);
    let feed = Arc::new(Feed::<Event>::new(store.clone(), FeedMetrics::default()));
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (feed, stop) = (feed.clone(), stop.clone());
        async move { feed.run(&Unchanged, stop).await }
    });
    let new = || NewEvent {
        id: Uuid::new_v4(),
        kind: "created".into(),
        data: bytes::Bytes::new(),
        meta: bytes::Bytes::new(),
    };
    let stream = StreamName::new("guild", "g");
    let append = StreamAppend { stream, expected: Expected::Any, events: vec![new(), new()] };
    let append = Append { streams: vec![append], idempotency: None, fence: None, now_us: 1 };
    store.append(append).await.unwrap();
    let mut released = feed.released(Lane(0));
    released.wait_for(|released| *released == 2).await.unwrap();
    feed.push_remote(Lane(0), vec![event(0, 4), event(0, 3)]);
    released.wait_for(|released| *released == 4).await.unwrap();
    assert_eq!(feed.tail(Lane(0)), 4);
    stop.cancel();
    running.await.unwrap();
}
