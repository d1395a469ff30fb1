//! How far each producer's sequence, and each partition of the bus, is durable.

use std::collections::HashMap;

use gamemesh_domain::stats::{Producer, Reader, Truncated, Writer};
use parking_lot::Mutex;

use crate::block::{Offset, Run};

/// Producers whose windows are remembered; beyond, the one that was silent for longest is forgotten. Its
/// events are known by their ids all the same.
const PRODUCERS_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(crate) struct Producers {
    windows: Mutex<Windows>,
    offsets: Mutex<HashMap<(String, u32), i64>>,
}

#[derive(Debug, Default)]
struct Windows {
    clock: u64,
    by_name: HashMap<String, (u64, Producer)>,
}

impl Producers {
    pub(crate) fn note(&self, runs: &[Run], offsets: &[Offset]) {
        if !runs.is_empty() {
            let mut windows = self.windows.lock();
            for run in runs {
                windows.note(run);
            }
        }
        let mut known = self.offsets.lock();
        for offset in offsets {
            let next = known.entry((offset.topic.clone(), offset.partition)).or_default();
            *next = offset.next.max(*next);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Producer> {
        self.windows.lock().by_name.get(name).map(|(_, producer)| producer.clone())
    }

    /// Everything of the sequence up to here is durable; 0 for another epoch.
    pub(crate) fn durable(&self, name: &str, epoch: u32) -> u64 {
        let windows = self.windows.lock();
        let known = windows.by_name.get(name).filter(|(_, producer)| producer.epoch == epoch);
        known.map_or(0, |(_, producer)| producer.durable())
    }

    /// Where reading a partition goes on.
    pub(crate) fn offset(&self, topic: &str, partition: u32) -> Option<i64> {
        self.offsets.lock().get(&(topic.to_owned(), partition)).copied()
    }
}

impl Producers {
    /// Everything, in the order of the names, for the tables.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let windows = self.windows.lock();
        let mut names: Vec<_> = windows.by_name.iter().collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        out.u64(names.len() as u64);
        for (name, (_, producer)) in names {
            out.text(name);
            producer.put(&mut out);
        }
        drop(windows);
        let offsets = self.offsets.lock();
        let mut partitions: Vec<_> = offsets.iter().collect();
        partitions.sort_unstable();
        out.u64(partitions.len() as u64);
        for ((topic, partition), next) in partitions {
            out.text(topic);
            out.u64((*partition).into());
            out.i64(*next);
        }
        out.0
    }

    /// Takes in what was kept of a lane, beside what other lanes have kept.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), Truncated> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut from = Reader(bytes);
        for _ in 0..from.count()? {
            let name = from.text()?.to_owned();
            let producer = Producer::take(&mut from)?;
            let mut windows = self.windows.lock();
            let (_, known) = windows.by_name.entry(name).or_default();
            for (first, last) in producer.ranges() {
                known.note(producer.epoch, first, last);
            }
        }
        for _ in 0..from.count()? {
            let (topic, partition) = (from.text()?.to_owned(), from.u32()?);
            self.note(&[], &[Offset { topic, partition, next: from.i64()? }]);
        }
        Ok(())
    }
}

impl Windows {
    fn note(&mut self, run: &Run) {
        self.clock += 1;
        if self.by_name.len() >= PRODUCERS_MAX && !self.by_name.contains_key(&run.producer) {
            let silent = self.by_name.iter().min_by_key(|(_, (clock, _))| *clock);
            if let Some(name) = silent.map(|(name, _)| name.clone()) {
                self.by_name.remove(&name);
            }
        }
        let (clock, producer) = self.by_name.entry(run.producer.clone()).or_default();
        *clock = self.clock;
        producer.note(run.epoch, run.first, run.last);
    }
}
