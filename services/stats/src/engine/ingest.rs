//! Events from their producers to the log, and back what became of them.

use std::sync::Arc;

use gamemesh_domain::stats::Event;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::Lane;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::Engine;
use super::writer::Submission;
use crate::block::{Fate, Offset, Run};
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
        permit.map(Arc::new).map_err(|_| {
            Error::new(Code::Overloaded, "too many events are on their way to the log")
                .with_retry_after(RETRY_AFTER)
        })
    }

    /// As [`Self::room`], for those who wait and read nothing until there is some.
    pub(crate) async fn wait_for_room(&self, bytes: usize) -> Result<Room> {
        let permit = self.permits.clone().acquire_many_owned(self.kib(bytes)).await;
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
            Ok(room) => Some(room),
            Err(error) if items.iter().any(|item| !item.samplable) => return Err(error),
            Err(_) => None,
        };
        let Some(room) = room else {
            self.metrics.shed.inc_by(items.len() as u64);
            return Ok(outcomes);
        };
        let mut shares: Vec<Share> = (0..self.log.lanes()).map(|_| Share::default()).collect();
        let mut refused = 0;
        for (index, item) in items.into_iter().enumerate() {
            let lane = match item.event {
                Ok(event) => {
                    let Lane(lane) = self.lane_of(&event.match_id);
                    let share = &mut shares[usize::from(lane)];
                    share.indices.push(index);
                    share.events.push(event);
                    lane
                }
                Err(error) => {
                    refused += 1;
                    outcomes[index] = Outcome::Refused(Box::new(error));
                    0
                }
            };
            // What is refused has been dealt with, too: its place is not waited for.
            if let Some(sequence) = item.sequence {
                shares[usize::from(lane)].note(&origin, sequence);
            }
        }
        self.metrics.refused.inc_by(refused);
        let _queued = Queued::count(&self.metrics.queue_events, outcomes.len());
        shares[0].offsets = origin.offsets;
        let mut pending = Vec::new();
        let count = shares.iter().filter(|share| !share.is_empty()).count().max(1);
        for (lane, share) in shares.into_iter().enumerate().filter(|(_, share)| !share.is_empty()) {
            let (reply, answer) = oneshot::channel();
            let submission = Submission {
                events: share.events,
                runs: share.runs,
                offsets: share.offsets,
                bytes: bytes / count,
                arrived,
                permit: Some(room.clone()),
                reply,
            };
            let draining = |_| Error::new(Code::NotServing, "the server is draining");
            self.writers[lane].send(submission).await.map_err(draining)?;
            pending.push((share.indices, answer));
        }
        drop(room);
        for (indices, answer) in pending {
            let draining = |_| Error::new(Code::NotServing, "the server is draining");
            let fates = answer.await.map_err(draining)??.await.map_err(draining)?;
            for (index, fate) in indices.into_iter().zip(fates) {
                outcomes[index] = Outcome::of(fate);
            }
        }
        Ok(outcomes)
    }
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
    events: Vec<Event>,
    runs: Vec<Run>,
    offsets: Vec<Offset>,
}

impl Share {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.runs.is_empty() && self.offsets.is_empty()
    }

    fn note(&mut self, origin: &Origin, sequence: u64) {
        match self.runs.last_mut() {
            Some(run) if run.last + 1 == sequence => run.last = sequence,
            _ => self.runs.push(Run {
                producer: origin.producer.clone(),
                epoch: origin.epoch,
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
