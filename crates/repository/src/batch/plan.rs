//! Expected versions, keys, fences, positions and times of one batch.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::LaneHead;
use crate::{
    Append, AppendError, Appended, Chain, Epoch, Event, Fence, Idempotency, Lane, LogError,
    NewEvent, Position, Seals, StreamAppend, StreamAppended, StreamHead, StreamName, Version,
};

/// What one batch will write, and the heads as they will be after it.
pub struct Plan<'a> {
    /// Of the lanes of this batch, ascending.
    lanes: Vec<&'a LaneHead>,
    store_lanes: u16,
    /// A stream's number is its lane's count of streams, times this, plus the lane.
    stream_stride: i64,
    pub(super) planned: Planned,
    heads: HashMap<StreamName, StreamHead>,
    known_keys: HashMap<String, KnownKey>,
    /// Streams that are taken not to exist.
    assumed_absent: HashSet<StreamName>,
}

/// The part of a plan that outlives what it was made from.
pub struct Planned {
    pub batch: Uuid,
    /// In ascending order.
    pub lanes: Vec<LanePlan>,
    pub new_streams: Vec<(i64, StreamName)>,
    /// In the order of the keys: batches over different lanes may carry the same ones.
    pub keys: Vec<PlannedKey>,
}

/// What a batch does to one lane.
pub struct LanePlan {
    pub lane: Lane,
    /// The lane's end before the batch.
    pub durable: Position,
    pub last_position: Position,
    pub last_time_us: i64,
    pub last_stream: i64,
    /// Before [`Plan::seal`] the durable link, after it the one with this batch.
    pub chain: Chain,
    pub owner_epoch: Epoch,
    seals: Seals,
    pub events: Vec<Event>,
    /// Stream number and checksum of each event.
    pub marks: Vec<(i64, u32)>,
}

/// The result of an append that is kept for its idempotency key.
pub struct PlannedKey {
    /// The lane of the first stream written, and the position of the first event there.
    pub lane: Lane,
    pub first_position: Position,
    pub key: String,
    pub fingerprint: [u8; 16],
    pub appended: Appended,
}

struct KnownKey {
    /// Or why it cannot be read: the error of those who name this key, not of the batch.
    kept: Result<(Appended, [u8; 16]), LogError>,
    depends_on_batch: bool,
}

/// What an append is answered.
#[derive(Debug)]
pub struct Outcome {
    pub result: Result<Appended, AppendError>,
    /// Whether the result is true only if the batch is written: also a conflict can be one with an
    /// append of the same batch.
    pub depends_on_batch: bool,
}

/// What to do with an append.
pub enum Decision {
    Write,
    Answer(Outcome),
    /// An expectation failed, but the append may be a retry: its place in the log decides
    /// ([`Plan::claims`], [`Plan::read_back`]).
    ReadBack {
        conflict: AppendError,
    },
}

impl<'a> Plan<'a> {
    /// `stream_stride`: at least the number of lanes, so that no two lanes number streams alike.
    pub fn new(lanes: Vec<&'a LaneHead>, store_lanes: u16, stream_stride: i64) -> Self {
        Self {
            store_lanes,
            stream_stride,
            planned: Planned {
                batch: Uuid::new_v4(),
                lanes: lanes.iter().map(|lane| LanePlan::new(lane)).collect(),
                new_streams: Vec::new(),
                keys: Vec::new(),
            },
            lanes,
            heads: HashMap::new(),
            known_keys: HashMap::new(),
            assumed_absent: HashSet::new(),
        }
    }

    /// Whether the head of a stream is known, or taken not to exist.
    pub fn knows(&self, stream: &StreamName) -> bool {
        self.heads.contains_key(stream)
            || self.durable_head(stream).is_some()
            || self.assumed_absent.contains(stream)
    }

    /// Takes a stream not to exist. If it does, writing to it must fail.
    pub fn assume_absent(&mut self, stream: StreamName) {
        self.assumed_absent.insert(stream);
    }

    /// Whether what is decided of an append depends on a key or a stream that was not looked up.
    pub fn assumes(&self, append: &Append) -> bool {
        let is_assumed = |part: &StreamAppend| self.assumed_absent.contains(&part.stream);
        append.idempotency.is_some() || append.streams.iter().any(is_assumed)
    }

    /// Tells the plan a durable head.
    pub fn learn(&mut self, stream: StreamName, head: StreamHead) {
        self.heads.insert(stream, head);
    }

    /// Tells the plan a durable key.
    pub fn learn_key(&mut self, key: String, kept: Result<(Appended, [u8; 16]), LogError>) {
        self.known_keys.insert(key, KnownKey { kept, depends_on_batch: false });
    }

    /// The lane has another owner from here on, as far as this batch is concerned.
    pub fn raise_owner_epoch(&mut self, lane: Lane, epoch: Epoch) {
        if let Some(plan) = self.planned.lanes.iter_mut().find(|plan| plan.lane == lane) {
            plan.owner_epoch = plan.owner_epoch.max(epoch);
        }
    }

    pub fn head(&self, stream: &StreamName) -> StreamHead {
        let head = self.heads.get(stream).copied().or_else(|| self.durable_head(stream));
        head.unwrap_or_default()
    }

    pub fn lane_of(&self, stream: &StreamName) -> Lane {
        stream.lane(self.store_lanes)
    }

    pub fn decide(&self, append: &Append) -> Decision {
        if let Some(fence) = append.fence
            && let Some(refused) = self.refused(fence)
        {
            return Decision::Answer(refused);
        }
        if let Some(Idempotency { key, fingerprint }) = &append.idempotency
            && let Some(KnownKey { kept, depends_on_batch }) = self.known_keys.get(key)
        {
            let result = match kept {
                Ok((first, digest)) if digest == fingerprint => {
                    Ok(Appended { repeated: true, ..first.clone() })
                }
                Ok(_) => Err(AppendError::KeyReused { key: key.clone() }),
                Err(error) => Err(error.clone().into()),
            };
            return Decision::Answer(Outcome { result, depends_on_batch: *depends_on_batch });
        }
        let failed = append.streams.iter().find_map(|StreamAppend { stream, expected, .. }| {
            let (expected, head) = (*expected, self.head(stream));
            let actual = head.version;
            let conflict = || AppendError::Conflict { stream: stream.clone(), expected, actual };
            (!expected.holds(actual, head.last)).then(|| (conflict(), stream, head.position))
        });
        match failed {
            None => Decision::Write,
            Some((conflict, ..)) if self.may_be_written(append) => Decision::ReadBack { conflict },
            Some((conflict, stream, position)) => Decision::Answer(Outcome {
                result: Err(conflict),
                depends_on_batch: self.is_pending(stream, position),
            }),
        }
    }

    /// Gives the events their places. The append must have been decided just before.
    pub fn write(&mut self, append: &Append) -> Appended {
        let written = append.streams.iter().filter(|part| !part.events.is_empty());
        let mut lanes =
            written.map(|part| &self.planned.lanes[self.index(&part.stream)]).peekable();
        let first = lanes.peek().map(|lane| (lane.lane, lane.last_position + 1));
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
        if let (Some(Idempotency { key, fingerprint }), Some((lane, first_position))) =
            (&append.idempotency, first)
        {
            let kept = Ok((appended.clone(), *fingerprint));
            self.known_keys.insert(key.clone(), KnownKey { kept, depends_on_batch: true });
            self.planned.keys.push(PlannedKey {
                lane,
                first_position,
                key: key.clone(),
                fingerprint: *fingerprint,
                appended: appended.clone(),
            });
        }
        appended
    }

    /// Extends the chains by the events of this batch, all of which are decided; what it will write,
    /// and the heads after it.
    pub fn seal(mut self) -> (Planned, HashMap<StreamName, StreamHead>) {
        for lane in &mut self.planned.lanes {
            if !lane.events.is_empty() {
                lane.chain = lane.seals.link();
            }
        }
        self.planned.keys.sort_by(|a, b| a.key.cmp(&b.key));
        self.heads.retain(|_, head| head.version > 0);
        (self.planned, self.heads)
    }

    /// Whether something at this position is part of this batch.
    pub(super) fn is_pending(&self, stream: &StreamName, position: Position) -> bool {
        position > self.planned.lanes[self.index(stream)].durable
    }

    pub(super) fn index(&self, stream: &StreamName) -> usize {
        let lane = self.lane_of(stream);
        // A batch has the lanes of all its appends.
        self.lanes.partition_point(|head| head.lane < lane)
    }

    fn durable_head(&self, stream: &StreamName) -> Option<StreamHead> {
        self.lanes[self.index(stream)].heads.get(stream).copied()
    }

    /// Why an append under this fence is refused, if it is. A refusal by an epoch that was raised in
    /// this batch is true only if the batch is written.
    fn refused(&self, fence: Fence) -> Option<Outcome> {
        let at = self.lanes.iter().position(|head| head.lane == fence.lane)?;
        let (durable, present) = (self.lanes[at].owner_epoch, self.planned.lanes[at].owner_epoch);
        (fence.epoch != present).then(|| Outcome {
            result: Err(LogError::Fenced.into()),
            depends_on_batch: durable != present,
        })
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
            head.id = lane.last_stream * self.stream_stride + i64::from(lane.lane.0);
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
                lane: lane.lane,
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
    /// Whether no event is written.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.events.is_empty())
    }
}

impl LanePlan {
    fn new(head: &LaneHead) -> Self {
        Self {
            lane: head.lane,
            durable: head.last_position,
            last_position: head.last_position,
            last_time_us: head.last_time_us,
            last_stream: head.last_stream,
            chain: head.chain,
            owner_epoch: head.owner_epoch,
            seals: Seals::after(head.chain),
            events: Vec::new(),
            marks: Vec::new(),
        }
    }
}
