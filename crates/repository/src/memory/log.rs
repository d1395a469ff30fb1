//! Streams and lanes.

use std::collections::{HashMap, VecDeque};

use crate::{
    Append, AppendError, Appended, Chain, Direction, Event, EventId, Head, Idempotency, Lane,
    NewEvent, Position, StreamAppend, StreamAppended, StreamName, VerifyReport, Version, Violation,
    event_crc,
};

pub(super) struct Log {
    lanes: Vec<LaneLog>,
    streams: HashMap<StreamName, Vec<Event>>,
    keys: HashMap<String, (Appended, [u8; 16])>,
    /// The same keys, oldest first.
    keys_by_time: VecDeque<(i64, String)>,
}

#[derive(Default)]
struct LaneLog {
    events: Vec<(Event, u32)>,
    /// Number of events and chain link after each batch.
    batches: Vec<(usize, Chain)>,
}

impl Log {
    pub(super) fn new(lanes: u16) -> Self {
        Self {
            lanes: (0..lanes).map(|_| LaneLog::default()).collect(),
            streams: HashMap::new(),
            keys: HashMap::new(),
            keys_by_time: VecDeque::new(),
        }
    }

    pub(super) fn lanes(&self) -> u16 {
        self.lanes.len() as u16
    }

    pub(super) fn append(&mut self, append: Append) -> Result<Appended, AppendError> {
        if let Some(Idempotency { key, fingerprint }) = &append.idempotency
            && let Some((first, digest)) = self.keys.get(key)
        {
            return if digest == fingerprint {
                Ok(Appended { repeated: true, ..first.clone() })
            } else {
                Err(AppendError::KeyReused { key: key.clone() })
            };
        }
        if let Some(conflict) = self.conflict(&append) {
            return self.first_result(&append)?.ok_or(conflict);
        }
        Ok(self.write(append))
    }

    pub(super) fn idempotent(&self, key: &str) -> Option<(Appended, [u8; 16])> {
        self.keys.get(key).cloned()
    }

    pub(super) fn stream(&self, stream: &StreamName) -> &[Event] {
        self.streams.get(stream).map_or(&[], Vec::as_slice)
    }

    pub(super) fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Vec<Event> {
        let events = self.stream(stream).iter();
        match direction {
            Direction::Forward => {
                events.filter(|e| e.version >= from).take(limit).cloned().collect()
            }
            Direction::Backward => {
                events.rev().filter(|e| e.version <= from).take(limit).cloned().collect()
            }
        }
    }

    pub(super) fn read_lane(&self, lane: Lane, after: Position, limit: usize) -> Vec<Event> {
        let events = self.lanes.get(usize::from(lane.0)).map_or(&[][..], |lane| &lane.events);
        let from = usize::try_from(after).map_or(events.len(), |after| after.min(events.len()));
        events[from..].iter().take(limit).map(|(event, _)| event.clone()).collect()
    }

    pub(super) fn head(&self, stream: &StreamName) -> Option<Head> {
        self.stream(stream).last().map(|event| Head {
            stream: stream.clone(),
            version: event.version,
            lane: event.lane,
            position: event.position,
            time_us: event.time_us,
        })
    }

    pub(super) fn tail(&self, lane: Lane) -> Position {
        self.lanes[usize::from(lane.0)].events.len() as Position
    }

    pub(super) fn verify(&self) -> VerifyReport {
        let mut report = VerifyReport { streams: self.streams.len() as u64, ..Default::default() };
        for (number, lane) in self.lanes.iter().enumerate() {
            let mut violate = |position: usize, what: &str| {
                report.violations_total += 1;
                if report.violations.len() < VerifyReport::VIOLATIONS_MAX {
                    report.violations.push(Violation {
                        lane: Lane(number as u16),
                        position: position as Position,
                        stream: lane.events.get(position - 1).map(|(e, _)| e.stream.clone()),
                        what: what.into(),
                    });
                }
            };
            for (at, (event, crc)) in lane.events.iter().enumerate() {
                if event.position != at as Position + 1 {
                    violate(at + 1, "the position is not dense");
                }
                if event_crc(event) != *crc {
                    violate(at + 1, "the checksum fails");
                }
            }
            let mut start = 0;
            let mut chain = Chain::default();
            for (end, link) in &lane.batches {
                chain = chain.link(lane.events[start..*end].iter().map(|(event, _)| event));
                if chain != *link {
                    violate(*end, "the chain is broken");
                }
                start = *end;
            }
            report.events += lane.events.len() as u64;
            report.batches += lane.batches.len() as u64;
        }
        report
    }

    fn version(&self, stream: &StreamName) -> Version {
        self.stream(stream).len() as Version
    }

    /// The first expectation that does not hold.
    fn conflict(&self, append: &Append) -> Option<AppendError> {
        append.streams.iter().find_map(|StreamAppend { stream, expected, .. }| {
            let actual = self.version(stream);
            let last = self.stream(stream).last().map_or_else(EventId::nil, |event| event.id);
            (!expected.holds(actual, last)).then(|| AppendError::Conflict {
                stream: stream.clone(),
                expected: *expected,
                actual,
            })
        })
    }

    /// The result of the first try, if the events of this append stand where it expects them.
    fn first_result(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        if !append.is_exact() {
            return Ok(None);
        }
        let mut pairs: Vec<(&NewEvent, &Event)> = Vec::new();
        let mut streams = Vec::new();
        for StreamAppend { stream, expected, events } in &append.streams {
            let Some(version) = expected.version() else {
                streams.push(self.condition(stream));
                continue;
            };
            if events.is_empty() {
                streams.push(self.condition(stream));
                continue;
            }
            let recorded = self.read_stream(
                stream,
                version.saturating_add(1),
                events.len(),
                Direction::Forward,
            );
            let same_ids = recorded.iter().map(|e| e.id).eq(events.iter().map(|e| e.id));
            let Some(last) = recorded.last().filter(|_| same_ids) else {
                return Ok(None);
            };
            streams.push(StreamAppended {
                stream: stream.clone(),
                lane: last.lane,
                first_version: version + 1,
                last_version: last.version,
                last_position: last.position,
            });
            let first = usize::try_from(version).unwrap_or(usize::MAX);
            pairs.extend(events.iter().zip(&self.stream(stream)[first..]));
        }
        if let Some((offered, _)) =
            pairs.iter().find(|(offered, event)| !event.is_retry_of(offered))
        {
            return Err(AppendError::EventIdReused { id: offered.id });
        }
        let time_us = pairs.iter().map(|(_, event)| event.time_us).max().unwrap_or_default();
        Ok(Some(Appended { streams, time_us, repeated: true }))
    }

    fn condition(&self, stream: &StreamName) -> StreamAppended {
        let (version, position) =
            self.stream(stream).last().map_or((0, 0), |event| (event.version, event.position));
        StreamAppended {
            stream: stream.clone(),
            lane: stream.lane(self.lanes()),
            first_version: version + 1,
            last_version: version,
            last_position: position,
        }
    }

    fn write(&mut self, append: Append) -> Appended {
        let lanes = self.lanes();
        let time_us = append
            .streams
            .iter()
            .filter(|s| !s.events.is_empty())
            .filter_map(|s| self.lanes[usize::from(s.stream.lane(lanes).0)].events.last())
            .map(|(event, _)| event.time_us)
            .fold(append.now_us, i64::max);
        let mut streams = Vec::with_capacity(append.streams.len());
        for StreamAppend { stream, events, .. } in append.streams {
            if events.is_empty() {
                streams.push(self.condition(&stream));
                continue;
            }
            let lane = stream.lane(lanes);
            let first_version = self.version(&stream) + 1;
            let lane_log = &mut self.lanes[usize::from(lane.0)];
            let recorded = self.streams.entry(stream.clone()).or_default();
            for NewEvent { id, kind, data, meta } in events {
                let event = Event {
                    stream: stream.clone(),
                    version: recorded.len() as Version + 1,
                    lane,
                    position: lane_log.events.len() as Position + 1,
                    time_us,
                    id,
                    kind,
                    data,
                    meta,
                };
                recorded.push(event.clone());
                let crc = event_crc(&event);
                lane_log.events.push((event, crc));
            }
            streams.push(StreamAppended {
                stream,
                lane,
                first_version,
                last_version: recorded.len() as Version,
                last_position: lane_log.events.len() as Position,
            });
        }
        self.close_batches();
        let appended = Appended { streams, time_us, repeated: false };
        if let Some(Idempotency { key, fingerprint }) = append.idempotency {
            self.keys_by_time.push_back((time_us, key.clone()));
            self.keys.insert(key, (appended.clone(), fingerprint));
        }
        self.forget_old_keys(time_us);
        appended
    }

    fn close_batches(&mut self) {
        for lane in &mut self.lanes {
            let (start, chain) = lane.batches.last().copied().unwrap_or_default();
            let end = lane.events.len();
            if end > start {
                let link = chain.link(lane.events[start..].iter().map(|(event, _)| event));
                lane.batches.push((end, link));
            }
        }
    }

    fn forget_old_keys(&mut self, now_us: i64) {
        while let Some((time_us, _)) = self.keys_by_time.front()
            && time_us.saturating_add(Idempotency::WINDOW_US) < now_us
        {
            if let Some((_, key)) = self.keys_by_time.pop_front() {
                self.keys.remove(&key);
            }
        }
    }
}
