//! Events from their producers to the log, and back what became of them.

use std::sync::Arc;

use gamemesh_domain::stats::Event;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Lane, StreamName};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Engine;
use super::part::Part;
use crate::block::{Content, Fate, Offset, Run};
use crate::metrics::Source;

/// Events of one request.
pub(crate) const EVENTS_MAX: usize = 10_000;

/// When a producer who was turned away should come again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_millis(250);

/// An event as it came, or why it is none.
pub(crate) struct Item {
    pub(crate) event: Result<Event>,
    pub(crate) samplable: bool,
    /// Its place in the producer's sequence.
    pub(crate) sequence: Option<u64>,
}

/// Who sends, and where from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) producer: String,
    pub(crate) epoch: u32,
    pub(crate) offsets: Vec<Offset>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Counted,
    Late,
    Duplicate,
    Conflict,
    Refused(Box<Error>),
    Shed,
}

/// Room in the budget of bytes between producers and the log.
pub(crate) type Room = Arc<OwnedSemaphorePermit>;

impl Engine {
    /// Room for so many bytes, or an answer that there is none now.
    pub(crate) fn room(&self, bytes: usize) -> Result<Room> {
        let permit = self.permits.clone().try_acquire_many_owned(self.kib(bytes));
        permit.map(Arc::new).map_err(|_| overloaded())
    }

    /// As [`Self::room`], for those who wait and read nothing until there is some.
    pub(crate) async fn wait_for_room(&self, bytes: usize) -> Result<Room> {
        self.wait(&self.permits, bytes).await
    }

    /// Room for what another instance brings, which has a budget of its own: two instances that bring each
    /// other something never wait for each other's.
    pub(super) async fn wait_for_guest_room(&self, bytes: usize) -> Result<Room> {
        self.wait(&self.guest_permits, bytes).await
    }

    async fn wait(&self, permits: &Arc<Semaphore>, bytes: usize) -> Result<Room> {
        let permit = permits.clone().acquire_many_owned(self.kib(bytes)).await;
        permit.map(Arc::new).map_err(Error::internal)
    }

    fn kib(&self, bytes: usize) -> u32 {
        // One request may be larger than the whole budget; then it has it for itself.
        (bytes.min(self.config.ingest_bytes_max) >> 10).max(1) as u32
    }

    /// Events to the log and through the shards: when this answers, they are durable and counted. An error
    /// says that nobody knows of all of them whether they are; sent again, they count once.
    pub(crate) async fn ingest(
        &self,
        source: Source,
        origin: Origin,
        items: Vec<Item>,
        bytes: usize,
        room: Option<Room>,
    ) -> Result<Vec<Outcome>> {
        self.metrics.received(source, items.len());
        let arrived = Instant::now();
        let mut outcomes = vec![Outcome::Shed; items.len()];
        let room = match room.map_or_else(|| self.room(bytes), Ok) {
            Ok(room) => room,
            Err(error) if items.iter().any(|item| !item.samplable) => return Err(error),
            Err(_) => {
                self.metrics.shed.inc_by(items.len() as u64);
                return Ok(outcomes);
            }
        };
        let (mut shares, mut behind) = self.shares(origin, items, &mut outcomes);
        let _queued = Queued::count(&self.metrics.queue_events, outcomes.len());
        let each = bytes / shares.len().max(1);
        // Places and offsets stand in the log with the events before them, in one block or in a later one:
        // never before events that may still be lost.
        if let [(_, share)] = &mut shares[..] {
            share.content.append(std::mem::take(&mut behind.content));
        }
        let parts = shares.into_iter().map(|(lane, share)| Part {
            lane,
            indices: share.indices,
            content: share.content,
            bytes: each,
            arrived,
            room: room.clone(),
        });
        for (indices, fates) in self.place_all(parts.collect()).await? {
            for (index, fate) in indices.into_iter().zip(fates) {
                outcomes[index] = Outcome::of(fate);
            }
        }
        let Behind { lane, content } = behind;
        if !content.is_empty() {
            let part = Part { lane, indices: Vec::new(), content, bytes: 0, arrived, room };
            self.place_all(vec![part]).await?;
        }
        Ok(outcomes)
    }

    /// What of a request belongs to each lane, and what stands behind all of it; what is refused is told at
    /// once.
    fn shares(
        &self,
        origin: Origin,
        items: Vec<Item>,
        outcomes: &mut [Outcome],
    ) -> (Vec<(Lane, Share)>, Behind) {
        let mut shares: Vec<Share> = Vec::new();
        shares.resize_with(usize::from(self.log.lanes()), Share::default);
        let Origin { producer, epoch, offsets } = origin;
        // Always the same lane for a producer, so that his places are one run.
        let lane = StreamName::new("producer", &producer).lane(self.log.lanes());
        let mut behind = Behind { lane, content: Content { offsets, ..Content::default() } };
        let count = items.len();
        let mut refused = 0;
        for (index, item) in items.into_iter().enumerate() {
            // What is refused has been dealt with, too: its place is not waited for.
            if let Some(sequence) = item.sequence {
                behind.note(&producer, epoch, sequence);
            }
            match item.event {
                Ok(event) => {
                    let Lane(lane) = self.lane_of(&event.match_id);
                    let share = &mut shares[usize::from(lane)];
                    if share.content.events.is_empty() {
                        share.content.events.reserve(count - index);
                        share.indices.reserve(count - index);
                    }
                    share.indices.push(index);
                    share.content.events.push(event);
                }
                Err(error) => {
                    refused += 1;
                    outcomes[index] = Outcome::Refused(Box::new(error));
                }
            }
        }
        self.metrics.refused.inc_by(refused);
        let shares = shares.into_iter().enumerate().filter(|(_, share)| !share.indices.is_empty());
        (shares.map(|(lane, share)| (Lane(lane as u16), share)).collect(), behind)
    }
}

fn overloaded() -> Error {
    Error::new(Code::Overloaded, "too many events are on their way to the log")
        .with_retry_after(RETRY_AFTER)
}

/// Counts events for as long as they are on their way.
struct Queued<'a>(&'a Gauge, i64);

impl<'a> Queued<'a> {
    fn count(gauge: &'a Gauge, events: usize) -> Self {
        gauge.inc_by(events as i64);
        Self(gauge, events as i64)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.dec_by(self.1);
    }
}

/// What of a request belongs to one lane.
#[derive(Default)]
struct Share {
    indices: Vec<usize>,
    content: Content,
}

/// What stands behind the events of a request.
struct Behind {
    lane: Lane,
    content: Content,
}

impl Behind {
    fn note(&mut self, producer: &str, epoch: u32, sequence: u64) {
        match self.content.runs.last_mut() {
            Some(run) if run.last + 1 == sequence => run.last = sequence,
            _ => self.content.runs.push(Run {
                producer: producer.to_owned(),
                epoch,
                first: sequence,
                last: sequence,
            }),
        }
    }
}

impl Outcome {
    fn of(fate: Fate) -> Self {
        match fate {
            Fate::Counted => Self::Counted,
            Fate::Late => Self::Late,
            Fate::Duplicate => Self::Duplicate,
            Fate::Conflict => Self::Conflict,
            Fate::Full => Self::Refused(Box::new(Error::new(
                Code::OutOfHistory,
                "the match has all the events, players or names that it can hold",
            ))),
            Fate::Unknown => Self::Refused(Box::new(Error::internal("an event was not counted"))),
        }
    }
}
