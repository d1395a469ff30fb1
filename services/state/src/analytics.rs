//! What this instance has been doing: counts and latencies over the last hour, in slices of time.

mod latency;

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use gamemesh_documents::{Applied, Observer};
use gamemesh_domain::Code;
use gamemesh_repository::{Event, StreamName};
use parking_lot::Mutex;

pub(crate) use self::latency::Latencies;

/// Length of a slice.
const SLICE_US: i64 = 10_000_000;

/// Slices that are kept: an hour.
const SLICES_MAX: usize = 360;

/// Aggregates that one slice counts by name. Those beyond are counted in the totals only, so that a
/// slice has a bound.
const AGGREGATES_MAX: usize = 4_096;

#[derive(Default)]
pub(crate) struct Analytics {
    slices: Mutex<VecDeque<Slice>>,
}

/// What happened in one slice of time, or in several.
#[derive(Default)]
pub(crate) struct Slice {
    start_us: i64,
    pub(crate) events: u64,
    pub(crate) by_kind: HashMap<Arc<str>, u64>,
    pub(crate) by_type: HashMap<Box<str>, u64>,
    pub(crate) by_refusal: HashMap<&'static str, u64>,
    pub(crate) by_aggregate: HashMap<StreamName, u64>,
    pub(crate) reads: Latencies,
    pub(crate) writes: Latencies,
}

impl Analytics {
    /// Counts the events of one commit.
    fn count<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        let mut events = events.peekable();
        let Some(&first) = events.peek() else { return };
        self.at(first.time_us, |slice| {
            // Events of one commit are mostly alike.
            let mut alike = (first, 0);
            for event in events {
                slice.events += 1;
                if !is_like(event, alike.0) {
                    slice.count(alike);
                    alike = (event, 0);
                }
                alike.1 += 1;
                if let Some(count) = slice.by_aggregate.get_mut(&event.stream) {
                    *count += 1;
                } else if slice.by_aggregate.len() < AGGREGATES_MAX {
                    slice.by_aggregate.insert(event.stream.clone(), 1);
                }
            }
            slice.count(alike);
        });
    }

    pub(crate) fn refused(&self, now_us: i64, code: Code) {
        self.at(now_us, |slice| *slice.by_refusal.entry(code.reason()).or_default() += 1);
    }

    /// Everything since a time.
    pub(crate) fn since(&self, start_us: i64) -> Slice {
        let slices = self.slices.lock();
        let mut total = Slice::default();
        for slice in slices.iter().filter(|slice| slice.start_us + SLICE_US > start_us) {
            total.events += slice.events;
            merge(&mut total.by_kind, &slice.by_kind);
            merge(&mut total.by_type, &slice.by_type);
            merge(&mut total.by_refusal, &slice.by_refusal);
            merge(&mut total.by_aggregate, &slice.by_aggregate);
            total.reads.merge(&slice.reads);
            total.writes.merge(&slice.writes);
        }
        total
    }

    fn at(&self, now_us: i64, count: impl FnOnce(&mut Slice)) {
        let start_us = now_us - now_us.rem_euclid(SLICE_US);
        let mut slices = self.slices.lock();
        if slices.back().is_none_or(|last| last.start_us < start_us) {
            if slices.len() == SLICES_MAX {
                slices.pop_front();
            }
            slices.push_back(Slice { start_us, ..Slice::default() });
        }
        // A clock that goes back counts in the newest slice.
        if let Some(slice) = slices.back_mut() {
            count(slice);
        }
    }
}

impl Observer for Analytics {
    fn read(&self, now_us: i64, took_us: u64) {
        self.at(now_us, |slice| slice.reads.add(took_us, 1));
    }

    fn wrote(&self, start_us: i64, took_us: u64, writes: usize) {
        self.at(start_us, |slice| slice.writes.add(took_us, writes));
    }

    fn committed(&self, applied: &[Arc<Applied>]) {
        self.count(applied.iter().map(|applied| &applied.event));
    }
}

impl Slice {
    /// So many events of the kind and type of this one.
    fn count(&mut self, (event, times): (&Event, u64)) {
        add(&mut self.by_kind, &event.kind, || event.kind.clone(), times);
        let category = event.stream.category();
        add(&mut self.by_type, category, || category.into(), times);
    }
}

fn is_like(event: &Event, other: &Event) -> bool {
    event.kind == other.kind && event.stream.category() == other.stream.category()
}

fn add<K: Borrow<str> + Eq + Hash>(
    counts: &mut HashMap<K, u64>,
    name: &str,
    key: impl FnOnce() -> K,
    times: u64,
) {
    match counts.get_mut(name) {
        Some(count) => *count += times,
        None => {
            counts.insert(key(), times);
        }
    }
}

fn merge<K: Clone + Eq + Hash>(total: &mut HashMap<K, u64>, part: &HashMap<K, u64>) {
    for (name, count) in part {
        *total.entry(name.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use gamemesh_repository::{Lane, Position};
    use uuid::Uuid;

    use super::*;

    fn event(lane: u16, position: Position) -> Event {
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

    #[test]
    fn a_window_holds_what_happened_in_it() {
        let analytics = Analytics::default();
        let minute = 60_000_000;
        analytics.read(0, 100);
        analytics.read(minute, 200);
        analytics.refused(minute, Code::VersionConflict);
        let recent = analytics.since(minute - 1);
        assert_eq!(recent.reads.count(), 1);
        assert_eq!(recent.by_refusal["VERSION_CONFLICT"], 1);
        assert_eq!(analytics.since(0).reads.count(), 2);
    }

    #[test]
    fn events_of_one_commit_are_counted_by_kind_type_and_aggregate() {
        let events: Vec<_> = ["a", "a", "b", "a", "c", "c"]
            .into_iter()
            .zip(1..)
            .map(|(kind, position)| {
                let stream = StreamName::new(if position < 6 { "guild" } else { "world" }, kind);
                Event { kind: kind.into(), stream, time_us: 0, ..event(0, position) }
            })
            .collect();
        let analytics = Analytics::default();
        analytics.count(events.iter());
        analytics.count(events[..1].iter());
        analytics.count([].iter());
        let slice = analytics.since(0);
        let counts = |names: &HashMap<Arc<str>, u64>| ["a", "b", "c"].map(|name| names[name]);
        assert_eq!((slice.events, counts(&slice.by_kind)), (7, [4, 1, 2]));
        assert_eq!((slice.by_type["guild"], slice.by_type["world"]), (6, 1));
        assert_eq!(slice.by_aggregate[&StreamName::new("guild", "a")], 4);
    }

    #[test]
    fn an_hour_is_kept() {
        let analytics = Analytics::default();
        for slice in 0..1_000 {
            analytics.read(slice * SLICE_US, 1);
        }
        assert_eq!(analytics.since(0).reads.count(), SLICES_MAX as u64);
    }
}
