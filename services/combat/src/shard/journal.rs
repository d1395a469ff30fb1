//! From what has happened in a session to its log.
//!
//! Records are gathered into a block while the one before is being written: the write in flight is the
//! timer. A block is appended to exactly the version that this owner knows, under its fence: whoever has
//! lost the session cannot write, and learns it here.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_domain::combat::{Record, Session};
use gamemesh_repository::{Append, Expected, Fence, NewEvent, StreamAppend, StreamName, Version};
use gamemesh_rpc::trace::Correlation;
use prost::Message as _;
use tokio::time::Instant;

use super::traces::CAUSES_MAX;
use crate::stored::{
    BLOCK, Block, Header, KEYFRAME, Keyframe, Stored, StoredHash, StoredPlayer, Told,
};
use crate::verdicts::Verdicts;

/// Records of one block.
const BLOCK_RECORDS_MAX: usize = 4_096;

/// Their size, in bytes.
const BLOCK_BYTES_MAX: usize = 256 << 10;

/// What may wait for the log, in bytes. A session whose log is away for longer is given up: its players
/// are told to come back.
pub(super) const WAITING_BYTES_MAX: usize = 8 << 20;

/// Where nobody waits for it, a block is gathered for so long.
const GATHER: Duration = Duration::from_millis(100);

/// Where something happened that people talk about, for so long.
const GATHER_EVENTS: Duration = Duration::from_millis(10);

/// After a write that failed, the next try.
const RETRY: Duration = Duration::from_millis(200);

/// Where a journal begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// Of the stream.
    pub(super) version: Version,
    pub(super) epoch: u64,
    /// Number of the last record that is written.
    pub(super) durable: u64,
    /// Events that clients had been told of by then.
    pub(super) events: u64,
    /// Under which every block is appended; absent where nobody shares the log.
    pub(super) fence: Option<Fence>,
}

/// The unwritten end of a session.
pub(super) struct Journal {
    stream: StreamName,
    version: Version,
    epoch: u64,
    fence: Option<Fence>,
    header: Header,
    content_hash: String,
    open: Block,
    keyframe: Option<Keyframe>,
    bytes: usize,
    oldest: Option<Instant>,
    has_events: bool,
    urgent: bool,
    traces: VecDeque<Correlation>,
    in_flight: Option<InFlight>,
    /// Number of the last record that survives.
    durable: u64,
    not_before: Option<Instant>,
}

/// A write for the log, and the commands whose records are in it.
pub(super) struct Write {
    pub(super) append: Append,
    /// Number of its last record.
    pub(super) last: u64,
    pub(super) causes: Vec<Correlation>,
}

struct InFlight {
    append: Append,
    versions: u64,
    last: u64,
    waiting: bool,
}

impl Journal {
    /// The journal of a session of which so many records, and so many versions of its stream, are
    /// written.
    pub(super) fn new(
        stream: StreamName,
        begun: Begun,
        header: Header,
        content_hash: String,
    ) -> Self {
        let Begun { version, epoch, durable, events, fence } = begun;
        Self {
            stream,
            version,
            epoch,
            fence,
            header,
            content_hash,
            open: Block::new(epoch, durable + 1, events),
            keyframe: None,
            bytes: 0,
            oldest: None,
            has_events: false,
            urgent: false,
            traces: VecDeque::new(),
            in_flight: None,
            durable,
            not_before: None,
        }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Number of the last record that survives the end of this process.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether everything is written.
    pub(super) fn is_empty(&self) -> bool {
        self.open.records.is_empty() && self.in_flight.is_none()
    }

    /// Whether the log has an append that it has not answered.
    pub(super) fn is_writing(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| !in_flight.waiting)
    }

    /// Whether more waits than may.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > WAITING_BYTES_MAX
    }

    pub(super) fn push(&mut self, record: &Record, now: Instant) {
        let stored = Stored::of(record);
        if self.open.records.is_empty() {
            self.open.from_tick = stored.tick;
            if record.number == 1 {
                self.open.header = Some(self.header.clone());
            }
        }
        self.open.to_tick = stored.tick;
        self.bytes += stored.event.len() + 16;
        self.open.records.push(stored);
        self.oldest.get_or_insert(now);
    }

    /// Others are told of a record.
    pub(super) fn tell(&mut self, number: u64, event: pb::CombatEvent) {
        self.bytes += event.encoded_len();
        self.open.told.push(Told { number, event: Some(event) });
    }

    /// A shot was judged.
    pub(super) fn judged(&mut self, validation: pb::DamageValidation) {
        self.bytes += validation.encoded_len();
        self.open.judged.push(validation);
    }

    /// The session itself has changed, or its players' numbers are to be known.
    pub(super) fn summarise(&mut self, session: pb::Session, players: Vec<StoredPlayer>) {
        self.open.session = Some(session);
        self.open.players = players;
    }

    /// What has been pushed is of the kind that others are told of.
    pub(super) fn note_events(&mut self, correlation: Option<&Correlation>) {
        self.has_events = true;
        if let Some(correlation) = correlation
            && self.traces.len() < CAUSES_MAX
        {
            self.traces.push_back(correlation.clone());
        }
    }

    /// Somebody waits for it.
    pub(super) fn hurry(&mut self) {
        self.urgent = true;
    }

    pub(super) fn push_hash(&mut self, state: &Session) {
        let hash = Bytes::copy_from_slice(&state.state_hash().0);
        self.open.hashes.push(StoredHash { after: state.version, tick: state.tick.0, hash });
    }

    /// The state after the last record that was pushed goes along with the next block.
    pub(super) fn push_keyframe(
        &mut self,
        state: &Session,
        events: u64,
        verdicts: Option<&Verdicts>,
    ) {
        self.keyframe = Some(Keyframe::of(state, self.epoch, events, &self.header, verdicts));
        self.bytes += self.keyframe.as_ref().map_or(0, |keyframe| keyframe.state.len());
    }

    /// When the next block is to be written, if there is one.
    pub(super) fn due(&self) -> Option<Instant> {
        if let Some(in_flight) = &self.in_flight {
            return if in_flight.waiting { self.not_before } else { None };
        }
        let oldest = self.oldest?;
        let full = self.bytes >= BLOCK_BYTES_MAX || self.open.records.len() >= BLOCK_RECORDS_MAX;
        Some(match () {
            () if self.urgent || full => oldest,
            () if self.has_events => oldest + GATHER_EVENTS,
            () => oldest + GATHER,
        })
    }

    /// The next append, if it is time. It stays in flight until [`Self::written`] or
    /// [`Self::failed`]; after a failure the very same one is tried again, so that a write whose outcome
    /// is not known is not made twice.
    pub(super) fn next(&mut self, events_so_far: u64, now_us: i64, now: Instant) -> Option<Write> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.waiting = false;
            let (append, last) = (in_flight.append.clone(), in_flight.last);
            return Some(Write { append, last, causes: Vec::new() });
        }
        let last = self.open.last();
        self.open.content_hash.clone_from(&self.content_hash);
        let block =
            std::mem::replace(&mut self.open, Block::new(self.epoch, last + 1, events_so_far));
        let meta = self.metadata();
        // A keyframe stands before the block that it was made within: whoever begins with it finds every
        // record after it in the blocks that follow.
        let mut events = Vec::with_capacity(2);
        if let Some(keyframe) = self.keyframe.take() {
            events.push(event(KEYFRAME, keyframe.encode_to_vec().into(), meta.clone()));
        }
        events.push(event(BLOCK, block.encode_to_vec().into(), meta));
        let versions = events.len() as u64;
        let append = Append {
            streams: vec![StreamAppend {
                stream: self.stream.clone(),
                expected: Expected::Exact(self.version),
                events,
            }],
            idempotency: None,
            fence: self.fence,
            now_us,
        };
        (self.oldest, self.has_events, self.urgent) = (None, false, false);
        let causes = self.traces.drain(..).collect();
        self.in_flight = Some(InFlight { append: append.clone(), versions, last, waiting: false });
        Some(Write { append, last, causes })
    }

    /// The append in flight is durable.
    pub(super) fn written(&mut self) {
        let Some(written) = self.in_flight.take() else { return };
        self.version += written.versions;
        self.durable = written.last;
        self.not_before = None;
        self.bytes = self.open.records.iter().map(|stored| stored.event.len() + 16).sum();
    }

    /// The append in flight failed in a way that may pass.
    pub(super) fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + RETRY);
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.waiting = true;
        }
    }

    fn metadata(&self) -> Bytes {
        let Some(newest) = self.traces.back() else { return Bytes::new() };
        let causes: Vec<String> = self.traces.iter().map(Correlation::id).collect();
        let metadata = EventMetadata {
            correlation_id: newest.id(),
            causation_id: causes.join(","),
            traceparent: newest.trace().map(|trace| trace.traceparent()).unwrap_or_default(),
            ..EventMetadata::default()
        };
        metadata.encode_to_vec().into()
    }
}

fn event(kind: &str, data: Bytes, meta: Bytes) -> NewEvent {
    NewEvent { id: uuid::Uuid::now_v7(), kind: kind.into(), data, meta }
}

#[cfg(test)]
mod tests {
    use gamemesh_domain::combat::{Event, Tick};
    use gamemesh_repository::Lane;

    use super::*;

    fn record(number: u64) -> Record {
        Record { number, tick: Tick(number as u32), at_us: number, event: Event::Started }
    }

    #[test]
    fn every_block_goes_under_the_fence_that_was_granted_and_after_the_one_before() {
        let fence = Fence { lane: Lane(3), epoch: 7 };
        let begun = Begun { version: 9, epoch: 7, durable: 40, events: 5, fence: Some(fence) };
        let stream = StreamName::new("combat", "s");
        let mut journal = Journal::new(stream, begun, Header::default(), String::new());
        let now = Instant::now();
        assert!(journal.next(5, 0, now).is_none() && journal.is_empty());
        journal.push(&record(41), now);
        journal.hurry();
        let first = journal.next(5, 0, now).unwrap();
        assert_eq!((first.append.fence, first.last), (Some(fence), 41));
        assert!(journal.is_writing() && !journal.is_empty());
        // What comes meanwhile waits, and a write whose outcome is not known is made again as it was.
        journal.push(&record(42), now);
        assert!(journal.next(6, 0, now).is_none());
        journal.failed(now);
        assert!(!journal.is_writing() && journal.next(6, 0, now).is_none());
        let again = journal.next(6, 0, now + RETRY).unwrap();
        let id = |write: &Write| write.append.streams[0].events[0].id;
        assert_eq!((id(&again), again.append.fence), (id(&first), Some(fence)));
        journal.written();
        assert_eq!(journal.durable(), 41);
        let second = journal.next(6, 0, now + RETRY + GATHER).unwrap();
        assert_eq!((second.append.fence, second.last), (Some(fence), 42));
        assert_eq!(second.append.streams[0].expected, Expected::Exact(10));
        journal.written();
        assert!(journal.is_empty());
    }
}
