//! Deciding: expected versions, keys, positions and times of one batch, in memory.

use std::collections::HashMap;

use gamemesh_repository::{
    Append, AppendError, Appended, Chain, Event, Idempotency, LogError, NewEvent, Position, Seals,
    StreamAppend, StreamAppended, StreamHead, StreamName, Version,
};
use uuid::Uuid;

use super::ledger::Ledger;
use crate::read::LANE;

/// What one transaction will write, and the heads as they will be after it.
pub(super) struct Plan {
    pub(super) batch: Uuid,
    pub(super) durable: Position,
    pub(super) last_position: Position,
    pub(super) last_time_us: i64,
    pub(super) last_stream: i64,
    /// The lane's chain: before [`Self::seal`] the durable one, after it the one with this batch.
    pub(super) chain: Chain,
    seals: Seals,
    pub(super) events: Vec<Event>,
    /// Stream number and checksum of each event.
    pub(super) event_marks: Vec<(i64, u32)>,
    pub(super) new_streams: Vec<(i64, StreamName)>,
    pub(super) keys: Vec<PlannedKey>,
    heads: HashMap<StreamName, StreamHead>,
    known_keys: HashMap<String, KnownKey>,
}

pub(super) struct PlannedKey {
    pub(super) first_position: Position,
    pub(super) key: String,
    pub(super) fingerprint: [u8; 16],
    pub(super) appended: Appended,
}

struct KnownKey {
    /// Or why it cannot be read: the error of those who name this key, not of the batch.
    kept: Result<(Appended, [u8; 16]), LogError>,
    rests: bool,
}

/// What an append is answered.
pub(super) struct Outcome {
    pub(super) result: Result<Appended, AppendError>,
    /// Whether the result is true only if the batch is written: also a conflict can be one with an
    /// append of the same batch.
    pub(super) rests: bool,
}

/// What to do with an append.
pub(super) enum Decision {
    Write,
    Answer(Outcome),
    /// An expectation failed, but the append may be a retry: its place in the log decides.
    ReadBack {
        conflict: AppendError,
    },
}

impl Plan {
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self {
            batch: Uuid::new_v4(),
            durable: ledger.last_position,
            last_position: ledger.last_position,
            last_time_us: ledger.last_time_us,
            last_stream: ledger.last_stream,
            chain: ledger.chain,
            seals: Seals::after(ledger.chain),
            events: Vec::new(),
            event_marks: Vec::new(),
            new_streams: Vec::new(),
            keys: Vec::new(),
            heads: HashMap::new(),
            known_keys: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether the head of a stream is known to this plan.
    pub(super) fn knows(&self, stream: &StreamName) -> bool {
        self.heads.contains_key(stream)
    }

    /// Tells the plan a durable head.
    pub(super) fn learn(&mut self, stream: StreamName, head: StreamHead) {
        self.heads.insert(stream, head);
    }

    /// Tells the plan a durable key.
    pub(super) fn learn_key(&mut self, key: String, kept: Result<(Appended, [u8; 16]), LogError>) {
        self.known_keys.insert(key, KnownKey { kept, rests: false });
    }

    pub(super) fn head(&self, stream: &StreamName) -> StreamHead {
        self.heads.get(stream).copied().unwrap_or_default()
    }

    /// Whether something at this position is part of this batch.
    pub(super) fn is_pending(&self, position: Position) -> bool {
        position > self.durable
    }

    pub(super) fn decide(&self, append: &Append) -> Decision {
        if let Some(Idempotency { key, fingerprint }) = &append.idempotency
            && let Some(known) = self.known_keys.get(key)
        {
            let result = match &known.kept {
                Ok((first, digest)) if digest == fingerprint => {
                    Ok(Appended { repeated: true, ..first.clone() })
                }
                Ok(_) => Err(AppendError::KeyReused { key: key.clone() }),
                Err(error) => Err(error.clone().into()),
            };
            return Decision::Answer(Outcome { result, rests: known.rests });
        }
        let failed = append.streams.iter().find_map(|StreamAppend { stream, expected, .. }| {
            let head = self.head(stream);
            let (expected, actual) = (*expected, head.version);
            let conflict = || AppendError::Conflict { stream: stream.clone(), expected, actual };
            (!expected.holds(actual, head.last)).then(|| (conflict(), head))
        });
        match failed {
            None => Decision::Write,
            Some((conflict, _)) if self.may_be_written(append) => Decision::ReadBack { conflict },
            Some((conflict, head)) => {
                let rests = self.is_pending(head.position);
                Decision::Answer(Outcome { result: Err(conflict), rests })
            }
        }
    }

    /// Gives the events their places. The append must have been decided just before.
    pub(super) fn write(&mut self, append: Append) -> Appended {
        self.last_time_us = self.last_time_us.max(append.now_us);
        let first_position = self.last_position + 1;
        let mut streams = Vec::with_capacity(append.streams.len());
        for StreamAppend { stream, events, .. } in append.streams {
            let before = self.head(&stream);
            let after = self.write_stream(&stream, before, events);
            streams.push(StreamAppended {
                stream,
                lane: LANE,
                first_version: before.version + 1,
                last_version: after.version,
                last_position: after.position,
            });
        }
        let appended = Appended { streams, time_us: self.last_time_us, repeated: false };
        if let Some(Idempotency { key, fingerprint }) = append.idempotency {
            let kept = Ok((appended.clone(), fingerprint));
            self.known_keys.insert(key.clone(), KnownKey { kept, rests: true });
            let appended = appended.clone();
            self.keys.push(PlannedKey { first_position, key, fingerprint, appended });
        }
        appended
    }

    /// Extends the chain by the events of this batch, all of which are decided.
    pub(super) fn seal(&mut self) {
        if !self.events.is_empty() {
            self.chain = self.seals.link();
        }
    }

    pub(super) fn into_heads(self) -> impl Iterator<Item = (StreamName, StreamHead)> {
        self.heads.into_iter().filter(|(_, head)| head.version > 0)
    }

    fn write_stream(
        &mut self,
        stream: &StreamName,
        mut head: StreamHead,
        events: Vec<NewEvent>,
    ) -> StreamHead {
        if events.is_empty() {
            return head;
        }
        if head.version == 0 {
            self.last_stream += 1;
            head.id = self.last_stream;
            self.new_streams.push((head.id, stream.clone()));
        }
        for NewEvent { id, kind, data, meta } in events {
            self.last_position += 1;
            head.version += 1;
            head.last = id;
            head.position = self.last_position;
            let event = Event {
                stream: stream.clone(),
                version: head.version,
                lane: LANE,
                position: head.position,
                time_us: self.last_time_us,
                id,
                kind,
                data,
                meta,
            };
            self.event_marks.push((head.id, self.seals.add(&event)));
            self.events.push(event);
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
