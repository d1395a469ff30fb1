//! The relay of one lane.

use std::collections::VecDeque;
use std::sync::Arc;

use gamemesh_bus::{Message, Pending, PublishError, Refused, Session};
use gamemesh_feed::{Entry, Read};
use gamemesh_repository::{Cursor, Lane, LogError, Position, fault_point, seeded_defect};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    BATCH_BYTES, BATCH_EVENTS_FIRST, BATCH_EVENTS_MAX, BATCHES_IN_FLIGHT_MAX, CURSOR_DELAY, Ended,
    RETRY_DELAY, Relay, TAKEOVER, UNSAVED_EVENTS_MAX,
};
use crate::Encoder;
use crate::message::Framing;
use crate::metrics::LaneMetrics;

pub(super) struct LaneRelay<E, C> {
    relay: Arc<Relay<E, C>>,
    framing: Arc<Framing>,
    lane: Lane,
    metrics: LaneMetrics,
    /// The cursor in the store, as it was when last seen.
    saved: Position,
    /// Everything up to here is acknowledged.
    published: Position,
    /// Whether this instance was the last to move the cursor, as far as it knows.
    is_mine: bool,
    /// Whether another instance has ever been faster.
    was_fenced: bool,
    /// Events to read at once.
    batch_events: usize,
    /// Up to here events are published one by one: the bus has refused some of them as too large.
    singly_to: Position,
    /// This event was refused alone as too large: it goes without its data.
    without_data: Option<Position>,
}

/// A batch that is handed over.
struct InFlight {
    first: Position,
    last: Position,
    outcome: Pending<Result<(), Refused>>,
}

/// A cursor on its way to the store.
struct Save {
    to: Position,
    outcome: Pending<Result<(), LogError>>,
}

impl<E: Entry, C: Encoder> LaneRelay<E, C> {
    pub(super) fn new(relay: Arc<Relay<E, C>>, framing: Arc<Framing>, lane: Lane) -> Self {
        Self {
            metrics: relay.metrics.of(lane),
            saved: 0,
            published: 0,
            is_mine: relay.log.is_sole_writer(),
            was_fenced: false,
            batch_events: BATCH_EVENTS_FIRST,
            singly_to: 0,
            without_data: None,
            relay,
            framing,
            lane,
        }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let topics = self.relay.encoder.topics();
        let mut has_subscribers = self.relay.bus.has_subscribers(&topics);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                subscribed = has_subscribers.wait_for(|has_subscribers| *has_subscribers) => {
                    if subscribed.is_err() {
                        return;
                    }
                }
            }
            let ended = match self.begin(stop).await {
                Ok(()) => self.relay(stop).await,
                Err(ended) => ended,
            };
            match ended {
                Ended::Stopped => return,
                Ended::Unsubscribed | Ended::Rewound => {}
                Ended::Fenced => {
                    (self.is_mine, self.was_fenced) = (false, true);
                    self.metrics.fenced.inc();
                }
                Ended::Failed(error) => {
                    tracing::warn!(%error, lane = self.lane.0, "events could not be relayed");
                    self.metrics.failures.inc();
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Finds where to go on, once it is this instance's turn.
    async fn begin(&mut self, stop: &CancellationToken) -> Result<(), Ended> {
        if !self.relay.bus.is_durable() {
            // Its session knows what readers need.
            return Ok(());
        }
        let at = self.cursor().await?;
        if self.is_mine {
            // Beyond the cursor may lie what was acknowledged before the last failure.
            self.published = self.published.max(at);
            self.saved = at;
            return Ok(());
        }
        // Where nothing has ever been published, no relay has lost its place.
        let at = if at == 0 && !self.was_fenced { 0 } else { self.stand_by(at, stop).await? };
        (self.saved, self.published, self.is_mine) = (at, at, true);
        Ok(())
    }

    /// Waits until the cursor stands still with events behind it; answers where it is then.
    async fn stand_by(
        &self,
        mut at: Position,
        stop: &CancellationToken,
    ) -> Result<Position, Ended> {
        let mut released = self.relay.feed.released(self.lane);
        loop {
            let end = tokio::select! {
                () = stop.cancelled() => return Err(Ended::Stopped),
                released = released.wait_for(|released| *released > at) => match released {
                    Ok(released) => *released,
                    Err(_) => return Err(Ended::Stopped),
                },
            };
            self.metrics.lag.set(end.saturating_sub(at) as i64);
            // Instances shall not take over at one time.
            let patience = TAKEOVER.mul_f64(1.0 + rand::random::<f64>());
            tokio::select! {
                () = stop.cancelled() => return Err(Ended::Stopped),
                () = sleep(patience) => {}
            }
            let now = self.cursor().await?;
            self.metrics.lag.set(released.borrow().saturating_sub(now) as i64);
            if now == at {
                tracing::info!(lane = self.lane.0, position = at, "this instance relays the lane");
                return Ok(at);
            }
            at = now;
        }
    }

    /// Publishes until something ends it.
    async fn relay(&mut self, stop: &CancellationToken) -> Ended {
        let Some(mut session) = self.session(stop).await else { return Ended::Stopped };
        let mut released = self.relay.feed.released(self.lane);
        let topics = self.relay.encoder.topics();
        let mut has_subscribers = self.relay.bus.has_subscribers(&topics);
        if !self.relay.bus.is_durable() {
            let head = *released.borrow();
            let resume = topics.iter().map(|topic| session.resume_after(topic, self.lane.0, head));
            self.published = resume.min().unwrap_or(head);
            self.saved = self.published;
        }
        let mut in_flight: VecDeque<InFlight> = VecDeque::new();
        let mut save: Option<Save> = None;
        let mut save_due: Option<Instant> = None;
        loop {
            let end = *released.borrow_and_update();
            self.metrics.lag.set(end.saturating_sub(self.published) as i64);
            if let Err(error) = self.fill(&mut *session, &mut in_flight, end).await {
                return error.into();
            }
            let stopping = stop.is_cancelled();
            let unsaved = self.relay.bus.is_durable() && self.published > self.saved;
            let due = stopping
                || save_due.is_some_and(|due| due <= Instant::now())
                || self.published >= self.saved + UNSAVED_EVENTS_MAX / 2
                || seeded_defect("relay.cursor_first");
            if unsaved && due && save.is_none() {
                save_due = None;
                save = Some(self.save());
            }
            if stopping && in_flight.is_empty() && !unsaved {
                return Ended::Stopped;
            }
            if !*has_subscribers.borrow_and_update() {
                return Ended::Unsubscribed;
            }
            tokio::select! {
                outcome = front(&mut in_flight) => {
                    let Some(batch) = in_flight.pop_front() else { continue };
                    if let Err(refused) = outcome {
                        return self.refused((batch.first, batch.last), refused, in_flight).await;
                    }
                    self.published = batch.last;
                    self.metrics.published.inc_by(batch.last - batch.first + 1);
                    save_due.get_or_insert_with(|| Instant::now() + CURSOR_DELAY);
                }
                outcome = saved(&mut save) => {
                    let Some(Save { to, .. }) = save.take() else { continue };
                    match outcome {
                        Ok(()) => self.saved = to,
                        Err(LogError::Fenced) => return Ended::Fenced,
                        Err(error) => return error.into(),
                    }
                    if self.published > to {
                        save_due.get_or_insert_with(|| Instant::now() + CURSOR_DELAY);
                    }
                }
                changed = released.changed() => if changed.is_err() { return Ended::Stopped },
                _ = has_subscribers.changed() => {}
                () = session.rewound() => return Ended::Rewound,
                () = until(save_due), if save.is_none() => {}
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// A session of the bus; `None` if the process stops first.
    async fn session(&self, stop: &CancellationToken) -> Option<Box<dyn Session>> {
        loop {
            match self.relay.bus.session().await {
                Ok(session) => return Some(session),
                Err(error) => tracing::debug!(%error, lane = self.lane.0, "no session yet"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(RETRY_DELAY) => {}
            }
        }
    }

    /// Hands over what is there, within the bounds.
    async fn fill(
        &mut self,
        session: &mut dyn Session,
        in_flight: &mut VecDeque<InFlight>,
        end: Position,
    ) -> Result<(), LogError> {
        let mut after = in_flight.back().map_or(self.published, |batch| batch.last);
        while after < end
            && (!self.relay.bus.is_durable() || after - self.saved < UNSAVED_EVENTS_MAX)
        {
            let singly = after < self.singly_to;
            if in_flight.len() >= if singly { 1 } else { BATCHES_IN_FLIGHT_MAX } {
                break;
            }
            let messages = self.read(after, if singly { 1 } else { self.batch_events }).await?;
            let Some(last) = messages.last().map(|message| message.position) else { break };
            let outcome = session.publish(messages).await;
            in_flight.push_back(InFlight { first: after + 1, last, outcome });
            after = last;
            if seeded_defect("relay.cursor_first") {
                self.published = last;
            }
        }
        Ok(())
    }

    /// The next events as messages. How many are read next follows what these take.
    async fn read(&mut self, after: Position, limit: usize) -> Result<Vec<Message>, LogError> {
        let bytes_max = self.relay.bus.message_bytes_max();
        let message = |event: &_| {
            let (encoder, without_data) = (&self.relay.encoder, self.without_data);
            self.framing.message(encoder, event, bytes_max, without_data)
        };
        let messages: Vec<Message> = match self.relay.feed.read(self.lane, after, limit) {
            Read::Events(events) => {
                events.iter().map(|entry| message(entry.event())).collect::<Result<_, _>>()?
            }
            Read::Behind => {
                let events = self.relay.log.read_lane(self.lane, after, limit).await?;
                events.iter().map(message).collect::<Result<_, _>>()?
            }
        };
        let bytes: usize = messages.iter().map(Message::size_bytes).sum();
        let fitting = messages.len() * BATCH_BYTES / bytes.max(1);
        self.batch_events = fitting.clamp(1, (self.batch_events * 2).min(BATCH_EVENTS_MAX));
        Ok(messages)
    }

    /// A batch was refused: what is acknowledged before it is known, the rest begins anew.
    async fn refused(
        &mut self,
        (first, last): (Position, Position),
        refused: Refused,
        others: VecDeque<InFlight>,
    ) -> Ended {
        self.published = first - 1 + refused.acknowledged as u64;
        let mut cause = refused.error;
        let mut handed_over = last;
        for other in others {
            handed_over = other.last;
            // The batch that was stopped with another does not tell why.
            if let Err(refused) = other.outcome.await
                && cause == PublishError::Over
            {
                cause = refused.error;
            }
        }
        if cause == PublishError::TooLarge {
            match first == last {
                true => self.without_data = Some(first),
                false => self.singly_to = handed_over,
            }
        }
        match cause {
            PublishError::Rewound => Ended::Rewound,
            cause => Ended::Failed(cause.into()),
        }
    }

    async fn cursor(&self) -> Result<Position, LogError> {
        let Relay { cursors, encoder, .. } = &*self.relay;
        Ok(cursors.cursor(encoder.cursor(), self.lane).await?.position)
    }

    /// Saves what is acknowledged, unless somebody else has moved the cursor.
    fn save(&self) -> Save {
        fault_point("relay.before_cursor");
        let cursors = self.relay.cursors.clone();
        let to = Cursor {
            projection: self.relay.encoder.cursor().to_owned(),
            lane: self.lane,
            position: self.published + u64::from(seeded_defect("relay.checkpoint")),
        };
        let from = self.saved;
        Save {
            to: self.published,
            outcome: Box::pin(async move { cursors.advance(from, to).await }),
        }
    }
}

/// The outcome of the oldest batch.
async fn front(in_flight: &mut VecDeque<InFlight>) -> Result<(), Refused> {
    match in_flight.front_mut() {
        Some(batch) => batch.outcome.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn saved(save: &mut Option<Save>) -> Result<(), LogError> {
    match save {
        Some(save) => save.outcome.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
