//! Blocks: events of many producers as one event of the log.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use gamemesh_domain::stats::{Event, Reader, Truncated, Writer};
use gamemesh_repository::{Lane, Position};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Of the stored form.
const FORMAT: u64 = 1;

/// What most events take in the stored form.
const EVENT_BYTES: usize = 80;

/// Kind of the log's events that are blocks.
pub(crate) const KIND: &str = "stats.block";

/// A run of a producer's sequence that a block has the events of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) producer: String,
    pub(crate) epoch: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// How far a partition of the bus has been read with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offset {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    /// The first that was not read.
    pub(crate) next: i64,
}

/// What is stored.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) runs: Vec<Run>,
    pub(crate) offsets: Vec<Offset>,
    pub(crate) events: Vec<Event>,
}

impl Content {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.runs.is_empty() && self.offsets.is_empty()
    }

    /// Adds what another has, behind its own.
    pub(crate) fn append(&mut self, mut other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.events.append(&mut other.events);
        self.runs.append(&mut other.runs);
        self.offsets.append(&mut other.offsets);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(self.events.len() * EVENT_BYTES + 64));
        out.u64(FORMAT);
        out.u64(self.runs.len() as u64);
        for run in &self.runs {
            out.text(&run.producer);
            out.u64(run.epoch.into());
            out.u64(run.first);
            out.u64(run.last - run.first);
        }
        out.u64(self.offsets.len() as u64);
        for offset in &self.offsets {
            out.text(&offset.topic);
            out.u64(offset.partition.into());
            out.i64(offset.next);
        }
        out.u64(self.events.len() as u64);
        self.events.iter().for_each(|event| event.put(&mut out));
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut from = Reader(bytes);
        if from.u64()? != FORMAT {
            return Err(Truncated);
        }
        let mut content = Self::default();
        for _ in 0..from.count()? {
            let (producer, epoch) = (from.text()?.to_owned(), from.u32()?);
            let (first, more) = (from.u64()?, from.u64()?);
            let last = first.checked_add(more).ok_or(Truncated)?;
            content.runs.push(Run { producer, epoch, first, last });
        }
        for _ in 0..from.count()? {
            let (topic, partition) = (from.text()?.to_owned(), from.u32()?);
            content.offsets.push(Offset { topic, partition, next: from.i64()? });
        }
        let count = from.count()?;
        content.events = (0..count).map(|_| Event::take(&mut from)).collect::<Result<_, _>>()?;
        Ok(content)
    }
}

/// What became of an event of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fate {
    Unknown = 0,
    Counted = 1,
    Late = 2,
    Duplicate = 3,
    Conflict = 4,
    /// The match has all that it can hold.
    Full = 5,
}

impl Fate {
    pub(crate) fn of_number(number: u8) -> Self {
        match number {
            1 => Self::Counted,
            2 => Self::Late,
            3 => Self::Duplicate,
            4 => Self::Conflict,
            5 => Self::Full,
            _ => Self::Unknown,
        }
    }
}

/// Somebody who wants to know what became of some events of a block.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) events: Range<usize>,
    pub(crate) arrived: Instant,
    /// Room in the budget, given back when he is told, whether he still waits or not.
    pub(crate) _room: Option<Arc<OwnedSemaphorePermit>>,
    pub(crate) reply: oneshot::Sender<Vec<Fate>>,
}

/// A block that is in the log, on its way through the shards.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) lane: Lane,
    pub(crate) position: Position,
    pub(crate) time_us: i64,
    pub(crate) content: Content,
    fates: Box<[AtomicU8]>,
    /// Shards that have not counted their part yet.
    pub(crate) open: AtomicUsize,
    /// Those who wait; `None` once everybody was told.
    waiters: Mutex<Option<Vec<Waiter>>>,
}

impl Block {
    pub(crate) fn new(
        lane: Lane,
        position: Position,
        time_us: i64,
        content: Content,
        waiters: Vec<Waiter>,
    ) -> Self {
        let fates = content.events.iter().map(|_| AtomicU8::new(0)).collect();
        let waiters = Mutex::new(Some(waiters));
        Self { lane, position, time_us, content, fates, open: AtomicUsize::new(0), waiters }
    }

    /// Takes those who wait, when all shards have counted their parts.
    pub(crate) fn finish(&self) -> Vec<Waiter> {
        self.waiters.lock().take().unwrap_or_default()
    }

    /// Adds some who learned late where their events are; those for whom it is too late are answered.
    pub(crate) fn wait(&self, more: Vec<Waiter>) {
        let mut waiters = self.waiters.lock();
        match &mut *waiters {
            Some(waiters) => waiters.extend(more),
            None => more.into_iter().for_each(|waiter| self.tell(waiter)),
        }
    }

    /// Tells one what became of his events.
    pub(crate) fn tell(&self, waiter: Waiter) {
        // Whoever does not wait any more is not told.
        let _ = waiter.reply.send(self.fates(waiter.events));
    }

    pub(crate) fn set(&self, event: usize, fate: Fate) {
        self.fates[event].store(fate as u8, Ordering::Relaxed);
    }

    fn fates(&self, events: Range<usize>) -> Vec<Fate> {
        let fate = |fate: &AtomicU8| Fate::of_number(fate.load(Ordering::Relaxed));
        self.fates[events].iter().map(fate).collect()
    }
}
