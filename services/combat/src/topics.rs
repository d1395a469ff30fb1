//! From the log to the topics: a block becomes a message for each topic that it has something for.
//!
//! At least once and in the order of the log. What a crash repeats is a repeated end of what was
//! published, and every message names the numbers by which a reader passes it over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_bus::{Header, Message, PublishError, Publisher, Refused};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_repository::{Cursor, Cursors, Event, EventLog, Lane, LogError, Position};
use prost::Message as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stored::{BLOCK, Block};

/// What happened.
pub const EVENTS: &str = "game.combat.events";

/// How shots were judged.
pub const VALIDATION: &str = "game.combat.damage.validation";

/// Name of the cursor.
const CURSOR: &str = "combat-topics";

/// Log events of one batch.
const BATCH_EVENTS_MAX: usize = 200;

/// After a failure, the next try; after another instance has moved the cursor, the next look at it.
const RETRY: Duration = Duration::from_millis(500);
const TAKEOVER: Duration = Duration::from_secs(2);

/// Brings blocks to the topics.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) cursors: Arc<dyn Cursors>,
    pub(crate) bus: Arc<dyn Publisher>,
}

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("stopped")]
    Stopped,
    #[error("nobody reads any more, or somebody reads from earlier on")]
    Again,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the bus: {0}")]
    Bus(#[from] PublishError),
    #[error("the bus: {0}")]
    Refused(#[from] Refused),
}

impl Relay {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in 0..self.log.lanes() {
            let (relay, stop) = (self.clone(), stop.clone());
            lanes.spawn(async move {
                tokio::select! {
                    () = relay.lane(Lane(lane), &stop) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        lanes.join_all().await;
    }

    async fn lane(&self, lane: Lane, stop: &CancellationToken) {
        loop {
            let pause = match self.follow(lane).await {
                Err(Ended::Stopped) | Ok(()) => return stop.cancelled().await,
                Err(Ended::Again) => Duration::ZERO,
                Err(Ended::Log(LogError::Fenced)) => TAKEOVER,
                Err(error) => {
                    tracing::warn!(lane = lane.0, %error, "the topics of combat are behind");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow(&self, lane: Lane) -> Result<(), Ended> {
        let topics: [Arc<str>; 2] = [EVENTS.into(), VALIDATION.into()];
        let mut wanted = self.bus.has_subscribers(&topics);
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            return Err(Ended::Stopped);
        }
        let mut session = self.bus.session().await?;
        let mut tail = self.log.tail(lane);
        let mut position = if self.bus.is_durable() {
            self.cursors.cursor(CURSOR, lane).await?.position
        } else {
            let head = *tail.borrow();
            topics.iter().map(|t| session.resume_after(t, lane.0, head)).min().unwrap_or(head)
        };
        loop {
            tail.mark_unchanged();
            let events = self.log.read_lane(lane, position, BATCH_EVENTS_MAX).await?;
            let Some(last) = events.last() else {
                tokio::select! {
                    changed = tail.changed() => if changed.is_err() { return Err(Ended::Stopped) },
                    () = session.rewound() => return Err(Ended::Again),
                    _ = wanted.wait_for(|wanted| !*wanted) => return Err(Ended::Again),
                }
                continue;
            };
            let to = last.position;
            let batch: Vec<Message> = events.iter().flat_map(|e| messages(e, &topics)).collect();
            if !batch.is_empty() {
                session.publish(batch).await.await?;
            }
            self.save(lane, position, to).await?;
            position = to;
        }
    }

    /// What is published is not published again after a restart.
    async fn save(&self, lane: Lane, from: Position, position: Position) -> Result<(), LogError> {
        if !self.bus.is_durable() {
            return Ok(());
        }
        let to = Cursor { projection: CURSOR.to_owned(), lane, position };
        self.cursors.advance(from, to).await
    }
}

/// The messages of a block, one for each topic at most.
fn messages(event: &Event, topics: &[Arc<str>; 2]) -> Vec<Message> {
    if &*event.kind != BLOCK {
        return Vec::new();
    }
    let Ok(block) = Block::read(&event.data) else { return Vec::new() };
    let session_id = event.stream.key().to_owned();
    let mut list = Vec::new();
    if !block.told.is_empty() || block.session.is_some() {
        let happened = pb::CombatEventsMessage {
            session_id: session_id.clone(),
            epoch: block.epoch,
            events: block.told.into_iter().filter_map(|told| told.event).collect(),
            session: block.session,
        };
        list.push(message(event, &topics[0], happened.encode_to_vec().into()));
    }
    if !block.judged.is_empty() {
        let judged = pb::DamageValidationMessage {
            session_id,
            epoch: block.epoch,
            content_hash: block.content_hash,
            validations: block.judged,
        };
        list.push(message(event, &topics[1], judged.encode_to_vec().into()));
    }
    list
}

fn message(event: &Event, topic: &Arc<str>, payload: Bytes) -> Message {
    let text = |text: String| Bytes::from(text.into_bytes());
    let mut headers = vec![
        Header { name: "content-type", value: Bytes::from_static(b"application/protobuf") },
        Header { name: "event-id", value: text(event.id.to_string()) },
        Header { name: "stream", value: text(event.stream.to_string()) },
        Header { name: "version", value: text(event.version.to_string()) },
        Header { name: "lane", value: text(event.lane.0.to_string()) },
        Header { name: "position", value: text(event.position.to_string()) },
    ];
    if let Ok(cause) = EventMetadata::decode(event.meta.clone()) {
        let given =
            [("traceparent", cause.traceparent), ("x-correlation-id", cause.correlation_id)];
        let given = given.into_iter().filter(|(_, value)| !value.is_empty());
        headers.extend(given.map(|(name, value)| Header { name, value: text(value) }));
    }
    Message {
        topic: topic.clone(),
        key: text(event.stream.key().to_owned()),
        payload,
        headers,
        lane: event.lane.0,
        position: event.position,
    }
}
