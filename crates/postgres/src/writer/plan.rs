//! Deciding: expected versions, keys, positions and times of one batch, in memory.

use std::collections::{HashMap, HashSet};

use gamemesh_repository::{
    Append, AppendError, Appended, Chain, Event, Idempotency, Lane, NewEvent, Position, Seals,
    StreamAppend, StreamAppended, StreamHead, StreamName, Version,
};
use uuid::Uuid;

use super::ledger::Ledger;

/// What one batch will write, and the heads as they will be after it.
pub(super) struct Plan<'a> {
    /// Of the lanes of this batch, ascending.
    ledgers: Vec<&'a Ledger>,
    store_lanes: u16,
    pub(super) planned: Planned,
    heads: HashMap<StreamName, StreamHead>,
    known_keys: HashMap<String, (Appended, [u8; 16])>,
    /// Streams that are taken not to exist.
    assumed_absent: HashSet<StreamName>,
}

/// The part of a plan that outlives what it was made from.
pub(super) struct Planned {
    pub(super) batch: Uuid,
    /// In the order of the ledgers.
    pub(super) lanes: Vec<LanePlan>,
    pub(super) new_streams: Vec<(i64, StreamName)>,
    pub(super) keys: Vec<PlannedKey>,
}

pub(super) struct LanePlan {
    pub(super) lane: u16,
    pub(super) epoch: i64,
    pub(super) durable: Position,
    pub(super) last_position: Position,
    pub(super) last_time_us: i64,
    pub(super) last_stream: i64,
    /// Before [`Plan::seal`] the durable link, after it the one with this batch.
    pub(super) chain: Chain,
    seals: Seals,
    pub(super) events: Vec<Event>,
    /// Stream number and checksum of each event.
    pub(super) marks: Vec<(i64, u32)>,
}

pub(super) struct PlannedKey {
    pub(super) lane: u16,
    pub(super) key: String,
    pub(super) fingerprint: [u8; 16],
    pub(super) appended: Appended,
}

/// What to do with an append.
pub(super) enum Decision {
    Write,
    Answer(Result<Appended, AppendError>),
    /// An expectation failed, but the append may be a retry: its place in the log decides.
    ReadBack {
        conflict: AppendError,
    },
}

impl<'a> Plan<'a> {
    pub(super) fn new(ledgers: Vec<&'a Ledger>, store_lanes: u16) -> Self {
        Self {
            store_lanes,
            planned: Planned {
                batch: Uuid::new_v4(),
                lanes: ledgers.iter().map(|ledger| LanePlan::new(ledger)).collect(),
                new_streams: Vec::new(),
                keys: Vec::new(),
            },
            ledgers,
            heads: HashMap::new(),
            known_keys: HashMap::new(),
            assumed_absent: HashSet::new(),
        }
    }

    /// Whether the head of a stream is known, or taken not to exist.
    pub(super) fn knows(&self, stream: &StreamName) -> bool {
        self.heads.contains_key(stream)
            || self.durable_head(stream).is_some()
            || self.assumed_absent.contains(stream)
    }

    /// Takes a stream not to exist. If it does, writing to it fails.
    pub(super) fn assume_absent(&mut self, stream: StreamName) {
        self.assumed_absent.insert(stream);
    }

    /// Whether what is decided of an append rests on a key or a stream that was not looked up.
    pub(super) fn assumes(&self, append: &Append) -> bool {
        let is_assumed = |part: &StreamAppend| self.assumed_absent.contains(&part.stream);
        append.idempotency.is_some() || append.streams.iter().any(is_assumed)
    }

    /// Tells the plan a durable head.
    pub(super) fn learn(&mut self, stream: StreamName, head: StreamHead) {
        self.heads.insert(stream, head);
    }

    /// Tells the plan a durable key.
    pub(super) fn learn_key(&mut self, key: String, appended: Appended, fingerprint: [u8; 16]) {
        self.known_keys.insert(key, (appended, fingerprint));
    }

    pub(super) fn head(&self, stream: &StreamName) -> StreamHead {
        let head = self.heads.get(stream).copied().or_else(|| self.durable_head(stream));
        head.unwrap_or_default()
    }

    pub(super) fn lane_of(&self, stream: &StreamName) -> Lane {
        stream.lane(self.store_lanes)
    }

    /// Events of a stream that this batch writes.
    pub(super) fn pending<'p>(&'p self, stream: &'p StreamName) -> impl Iterator<Item = &'p Event> {
        let events = &self.planned.lanes[self.index(stream)].events;
        events.iter().filter(move |event| event.stream == *stream)
    }

    pub(super) fn decide(&self, append: &Append) -> Decision {
        if let Some(Idempotency { key, fingerprint }) = &append.idempotency
            && let Some((first, digest)) = self.known_keys.get(key)
        {
            return Decision::Answer(if digest == fingerprint {
                Ok(Appended { repeated: true, ..first.clone() })
            } else {
                Err(AppendError::KeyReused { key: key.clone() })
            });
        }
        let failed = append.streams.iter().find_map(|StreamAppend { stream, expected, .. }| {
            let (expected, head) = (*expected, self.head(stream));
            let actual = head.version;
            let conflict = || AppendError::Conflict { stream: stream.clone(), expected, actual };
            (!expected.holds(actual, head.last)).then(conflict)
        });
        match failed {
            None => Decision::Write,
            Some(conflict) if self.may_be_written(append) => Decision::ReadBack { conflict },
            Some(conflict) => Decision::Answer(Err(conflict)),
        }
    }

    /// Gives the events their places. The append must have been decided just before.
    pub(super) fn write(&mut self, append: &Append) -> Appended {
        let written = append.streams.iter().filter(|part| !part.events.is_empty());
        let mut lanes =
            written.map(|part| &self.planned.lanes[self.index(&part.stream)]).peekable();
        let first_lane = lanes.peek().map(|lane| lane.lane);
        let time_us = lanes.map(|lane| lane.last_time_us).fold(append.now_us, i64::max);
        let mut streams = Vec::with_capacity(append.streams.len());
        for StreamAppend { stream, events, .. } in &append.streams {
            let before = self.head(stream);
            let after = self.write_stream(stream, before, events, time_us);
            streams.push(StreamAppended {
                stream: stream.clone(),
                lane: self.lane_of(stream),
                first_version: before.version + 1,
                last_version: after.version,
                last_position: after.position,
            });
        }
        let appended = Appended { streams, time_us, repeated: false };
        if let (Some(Idempotency { key, fingerprint }), Some(lane)) =
            (&append.idempotency, first_lane)
        {
            self.known_keys.insert(key.clone(), (appended.clone(), *fingerprint));
            self.planned.keys.push(PlannedKey {
                lane,
                key: key.clone(),
                fingerprint: *fingerprint,
                appended: appended.clone(),
            });
        }
        appended
    }

    /// Extends the chains by the events of this batch, all of which are decided; what it will write,
    /// and the heads after it.
    pub(super) fn seal(mut self) -> (Planned, HashMap<StreamName, StreamHead>) {
        for lane in &mut self.planned.lanes {
            if !lane.events.is_empty() {
                lane.chain = lane.seals.link();
            }
        }
        // Batches over different lanes may carry the same keys: all take them in one order.
        self.planned.keys.sort_by(|a, b| a.key.cmp(&b.key));
        (self.planned, self.heads)
    }

    fn index(&self, stream: &StreamName) -> usize {
        let Lane(lane) = self.lane_of(stream);
        // A batch has the lanes of all its appends.
        self.ledgers.partition_point(|ledger| ledger.lane < lane)
    }

    fn durable_head(&self, stream: &StreamName) -> Option<StreamHead> {
        self.ledgers[self.index(stream)].heads.get(stream).copied()
    }

    fn write_stream(
        &mut self,
        stream: &StreamName,
        mut head: StreamHead,
        events: &[NewEvent],
        time_us: i64,
    ) -> StreamHead {
        if events.is_empty() {
            return head;
        }
        let index = self.index(stream);
        let lane = &mut self.planned.lanes[index];
        if head.version == 0 {
            lane.last_stream += 1;
            head.id = stream_id(lane.last_stream, lane.lane);
            self.planned.new_streams.push((head.id, stream.clone()));
        }
        lane.last_time_us = time_us;
        for NewEvent { id, kind, data, meta } in events {
            lane.last_position += 1;
            head.version += 1;
            head.last = *id;
            head.position = lane.last_position;
            let event = Event {
                stream: stream.clone(),
                version: head.version,
                lane: Lane(lane.lane),
                position: head.position,
                time_us,
                id: *id,
                kind: kind.clone(),
                data: data.clone(),
                meta: meta.clone(),
            };
            lane.marks.push((head.id, lane.seals.add(&event)));
            lane.events.push(event);
        }
        self.heads.insert(stream.clone(), head);
        head
    }

    /// Whether every stream that the append writes is long enough to hold its events already.
    fn may_be_written(&self, append: &Append) -> bool {
        append.is_exact()
            && append.streams.iter().filter(|s| !s.events.is_empty()).all(|s| {
                let Some(version) = s.expected.version() else { return false };
                let end: Option<Version> = version.checked_add(s.events.len() as u64);
                end.is_some_and(|end| end <= self.head(&s.stream).version)
            })
    }
}

impl Planned {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.events.is_empty())
    }
}

impl LanePlan {
    fn new(ledger: &Ledger) -> Self {
        Self {
            lane: ledger.lane,
            epoch: ledger.epoch,
            durable: ledger.last_position,
            last_position: ledger.last_position,
            last_time_us: ledger.last_time_us,
            last_stream: ledger.last_stream,
            chain: ledger.chain,
            seals: Seals::after(ledger.chain),
            events: Vec::new(),
            marks: Vec::new(),
        }
    }
}

/// The lane's count of its streams makes a number that no other lane gives.
fn stream_id(count: i64, lane: u16) -> i64 {
    count * i64::from(gamemesh_repository::SLICES) + i64::from(lane)
}
