//! Events as they come from a topic, with any Kafka client: what their headers say, what their payload
//! is, and which have been seen before.

use std::collections::HashMap;

use gamemesh_contracts::state::v1::AggregateEvent;

/// Places that a [`Deduplicator`] remembers: one for each partition, store and lane.
pub const MARKS_MAX: usize = 65_536;

/// What the headers of an event say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHeaders {
    /// The same in every delivery of the event.
    pub event_id: String,
    /// `<type>/<id>` of the aggregate; the key of the message.
    pub stream: String,
    /// Version that the aggregate has with this event.
    pub version: u64,
    /// Identity of the store, in hexadecimal: positions count within it.
    pub store: String,
    pub lane: u16,
    pub position: u64,
    /// The payload is without the event's data, which was too large: fetch it with `list_events`.
    pub claim_check: bool,
    /// Whether the payload is JSON instead of protobuf.
    pub json: bool,
    /// W3C trace context of the request that wrote the event.
    pub traceparent: Option<String>,
    pub correlation_id: Option<String>,
}

/// Why a message is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("the header {0:?} is missing or not what it should be")]
    Header(&'static str),
    #[error("the payload is no event: {0}")]
    Payload(String),
}

impl EventHeaders {
    /// Reads the headers of a message; other names are passed over.
    pub fn read<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, EventError> {
        let texts = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)));
        let headers: HashMap<&str, &str> = texts.collect();
        let text = |name| headers.get(name).map(|text| (*text).to_owned());
        let needed = |name| text(name).ok_or(EventError::Header(name));
        let number = |name| {
            let number = headers.get(name).and_then(|text| text.parse::<u64>().ok());
            number.ok_or(EventError::Header(name))
        };
        Ok(Self {
            event_id: needed("event-id")?,
            stream: needed("stream")?,
            version: number("version")?,
            store: needed("store")?,
            lane: u16::try_from(number("lane")?).map_err(|_| EventError::Header("lane"))?,
            position: number("position")?,
            claim_check: headers.contains_key("claim-check"),
            json: headers.get("content-type") == Some(&"application/json"),
            traceparent: text("traceparent"),
            correlation_id: text("x-correlation-id"),
        })
    }
}

/// The event in a protobuf payload.
pub fn decode_event(payload: &[u8]) -> Result<AggregateEvent, EventError> {
    prost::Message::decode(payload).map_err(|error| EventError::Payload(error.to_string()))
}

/// Where one sequence of events comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    pub partition: i32,
    pub store: String,
    pub lane: u16,
}

/// Up to where a source has been processed: keep it in the transaction of what the events do, and
/// begin again with [`Deduplicator::restore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub source: Source,
    pub position: u64,
}

/// Passes over events that have been processed already. Events of one topic only: positions rise
/// along each partition, and what comes again is a suffix of what was there.
///
/// ```
/// use gamemesh_client::events::{Deduplicator, EventHeaders};
///
/// fn process(seen: &mut Deduplicator, partition: i32, headers: &EventHeaders) {
///     if !seen.is_new(partition, headers) {
///         return;
///     }
///     // Do what the event asks for, then:
///     seen.done(partition, headers);
/// }
/// ```
#[derive(Debug, Default)]
pub struct Deduplicator {
    marks: HashMap<Source, Seen>,
    /// Counts what was done, to know which source has been quiet for longest.
    done: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    position: u64,
    at: u64,
}

impl Deduplicator {
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from marks that were kept.
    pub fn restore(marks: impl IntoIterator<Item = Mark>) -> Self {
        let mut restored = Self::new();
        for Mark { source, position } in marks {
            restored.mark(source, position);
        }
        restored
    }

    /// Whether the event has not been processed yet.
    pub fn is_new(&self, partition: i32, headers: &EventHeaders) -> bool {
        let seen = self.marks.get(&source(partition, headers));
        seen.is_none_or(|seen| headers.position > seen.position)
    }

    /// Remembers that the event has been processed; answers the mark to keep.
    pub fn done(&mut self, partition: i32, headers: &EventHeaders) -> Mark {
        let source = source(partition, headers);
        let position = self.mark(source.clone(), headers.position);
        Mark { source, position }
    }

    /// All marks, in the order of their sources.
    pub fn marks(&self) -> Vec<Mark> {
        let mark = |(source, seen): (&Source, &Seen)| Mark {
            source: source.clone(),
            position: seen.position,
        };
        let mut marks: Vec<Mark> = self.marks.iter().map(mark).collect();
        marks.sort_by(|a, b| a.source.cmp(&b.source));
        marks
    }

    /// Beyond [`MARKS_MAX`] the source that has been quiet for longest is forgotten: its events could
    /// be processed twice, none is passed over.
    fn mark(&mut self, source: Source, position: u64) -> u64 {
        self.done += 1;
        if self.marks.len() >= MARKS_MAX && !self.marks.contains_key(&source) {
            let quiet = self.marks.iter().min_by_key(|(_, seen)| seen.at);
            if let Some(quiet) = quiet.map(|(source, _)| source.clone()) {
                self.marks.remove(&quiet);
            }
        }
        let seen = self.marks.entry(source).or_insert(Seen { position: 0, at: 0 });
        *seen = Seen { position: seen.position.max(position), at: self.done };
        seen.position
    }
}

fn source(partition: i32, headers: &EventHeaders) -> Source {
    Source { partition, store: headers.store.clone(), lane: headers.lane }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(store: &str, lane: u16, position: u64) -> EventHeaders {
        let (lane, position) = (lane.to_string(), position.to_string());
        let headers = [
            ("event-id", "e"),
            ("stream", "player/1"),
            ("version", "7"),
            ("store", store),
            ("lane", &*lane),
            ("position", &*position),
            ("traceparent", "00-1-2-01"),
            ("other", "x"),
        ];
        EventHeaders::read(headers.map(|(name, value)| (name, value.as_bytes()))).unwrap()
    }

    #[test]
    fn headers_are_read_or_named() {
        let read = event("ab", 3, 9);
        assert_eq!((read.lane, read.position, read.version), (3, 9, 7));
        assert_eq!(read.traceparent.as_deref(), Some("00-1-2-01"));
        assert!(!read.claim_check && !read.json);
        let missing = EventHeaders::read([("event-id", &b"e"[..]), ("stream", b"s")]);
        assert_eq!(missing, Err(EventError::Header("version")));
        assert!(decode_event(&[0xff]).is_err());
    }

    #[test]
    fn a_replayed_suffix_is_passed_over() {
        let mut seen = Deduplicator::new();
        let mut kept = Vec::new();
        // Two lanes and two stores in two partitions; a suffix of one comes again.
        let come = [(0, "a", 0, 1), (0, "a", 0, 4), (0, "a", 1, 2), (1, "a", 0, 2), (0, "b", 0, 1)];
        let again =
            [(0, "a", 0, 1), (0, "a", 0, 4), (0, "a", 0, 5), (1, "a", 0, 2), (1, "a", 0, 3)];
        for (partition, store, lane, position) in come.into_iter().chain(again) {
            let headers = event(store, lane, position);
            if seen.is_new(partition, &headers) {
                seen.done(partition, &headers);
                kept.push((partition, store, lane, position));
            }
        }
        let new = [(0, "a", 0, 5), (1, "a", 0, 3)];
        assert_eq!(kept, [&come[..], &new[..]].concat());
        // What was kept elsewhere brings it back.
        let restored = Deduplicator::restore(seen.marks());
        assert!(!restored.is_new(0, &event("a", 0, 5)) && restored.is_new(0, &event("a", 0, 6)));
        assert_eq!(restored.marks(), seen.marks());
    }

    #[test]
    fn it_is_bounded() {
        let mut seen = Deduplicator::new();
        for partition in 0..=MARKS_MAX as i32 {
            seen.done(partition, &event("a", 0, 1));
        }
        assert_eq!(seen.marks().len(), MARKS_MAX);
        assert!(seen.is_new(0, &event("a", 0, 1)));
        assert!(!seen.is_new(MARKS_MAX as i32, &event("a", 0, 1)));
    }
}
