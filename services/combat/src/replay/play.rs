//! A replay: the frames that somebody who looked on without delay was sent.

use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use futures::Stream;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{Event, Record};
use gamemesh_domain::{Error, Result};
use tokio::time::{Instant, sleep_until};

use super::seek::{Sought, seek};
use crate::convert;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::Fold;
use crate::shard::view::View;
use crate::spectate::{FRAMES_HZ, Filter};
use crate::stored::{BLOCK, Block};

/// Events of one frame.
const EVENTS_MAX: usize = 256;

/// How a replay is to be played.
#[derive(Debug, Clone)]
pub(crate) struct Score {
    pub(crate) from_tick: u32,
    pub(crate) from_ms: u64,
    /// `None`: to the end.
    pub(crate) to_tick: Option<u32>,
    /// Times as fast as it was; `None`: as fast as it is read.
    pub(crate) speed: Option<f64>,
    pub(crate) filter: Filter,
    pub(crate) frames_hz: u32,
    pub(crate) events_only: bool,
    /// Nothing after this time, microseconds since the Unix epoch, is shown.
    pub(crate) until_us: Option<i64>,
}

/// A speed that is accepted; 0 is as fast as the reader reads.
pub(crate) fn speed(speed: f64) -> Result<Option<f64>> {
    match speed {
        0.0 => Ok(None),
        speed if (0.25..=8.0).contains(&speed) => Ok(Some(speed)),
        _ => Err(Error::invalid("speed", "accepts 0.25 to 8, or 0")),
    }
}

/// Plays a session that there is.
pub(crate) async fn play(
    shared: Arc<Shared>,
    id: SessionId,
    score: Score,
) -> Result<impl Stream<Item = Result<pb::ReplaySessionResponse>>> {
    let mut from_tick = score.from_tick;
    let mut sought = seek(&shared, &id, from_tick).await?;
    if from_tick == 0 && score.from_ms > 0 {
        let hz = u64::from(sought.fold.state.created.rules.tick_hz);
        from_tick = u32::try_from(score.from_ms.saturating_mul(hz) / 1_000).unwrap_or(u32::MAX);
        sought = seek(&shared, &id, from_tick).await?;
    }
    let Sought { fold, mut rest, block } = sought;
    Ok(try_stream! {
        let mut player = Player::new(fold, score, from_tick);
        let mut next = block;
        'log: loop {
            let block = match next.take() {
                Some(block) => block,
                None => match rest.next().await? {
                    Some(event) if &*event.kind == BLOCK => Block::read(&event.data)?,
                    Some(_) => continue,
                    None => break,
                },
            };
            for record in block.records() {
                if let Some(frame) = player.take(&record?)? {
                    player.wait().await;
                    yield answer(frame);
                }
                if player.is_done() {
                    break 'log;
                }
            }
        }
        if let Some(frame) = player.last_frame() {
            yield answer(frame);
        }
        yield pb::ReplaySessionResponse { frame: None, end: Some(player.end()) };
    })
}

fn answer(frame: pb::ServerFrame) -> pb::ReplaySessionResponse {
    pb::ReplaySessionResponse { frame: Some(frame), end: None }
}

struct Player {
    fold: Fold,
    score: Score,
    from_tick: u32,
    every: u32,
    view: View,
    baseline: Option<u32>,
    events: Vec<pb::CombatEvent>,
    /// Where the replay began, in the session's time and in ours.
    began: Option<(u64, Instant)>,
    cut: bool,
    past_end: bool,
}

impl Player {
    fn new(fold: Fold, score: Score, from_tick: u32) -> Self {
        let hz = fold.state.created.rules.tick_hz;
        let frames_hz = if score.frames_hz == 0 { FRAMES_HZ } else { score.frames_hz };
        let mut player = Self {
            every: (hz / frames_hz.clamp(1, hz)).max(1),
            fold,
            score,
            from_tick,
            view: View::default(),
            baseline: None,
            events: Vec::new(),
            began: None,
            cut: false,
            past_end: false,
        };
        if from_tick == 0 {
            // The record that created the session is folded already.
            let created = player.fold.events.since(0).into_iter().flatten().cloned();
            player.events = created.filter(|event| player.score.filter.admits(event)).collect();
        }
        player
    }

    /// Folds a record; the frame that is complete with it.
    fn take(&mut self, record: &Record) -> Result<Option<pb::ServerFrame>> {
        if record.number <= self.fold.state.version {
            return Ok(None);
        }
        let time_us = self.fold.header.created_us.saturating_add(record.at_us as i64);
        self.cut = self.score.until_us.is_some_and(|until_us| time_us > until_us);
        self.past_end = self.score.to_tick.is_some_and(|to_tick| record.tick.0 > to_tick);
        if self.is_done() {
            return Ok(None);
        }
        let told = self.fold.take(record)?;
        if record.tick.0 < self.from_tick {
            return Ok(None);
        }
        self.events.extend(told.filter(|event| self.score.filter.admits(event)));
        let is_tick = matches!(record.event, Event::Ticked { .. });
        let is_due = is_tick && record.tick.0.is_multiple_of(self.every);
        if (!is_due && self.baseline.is_some() && self.events.len() < EVENTS_MAX)
            || (self.score.events_only && self.events.is_empty())
        {
            return Ok(None);
        }
        Ok(Some(self.frame()))
    }

    fn frame(&mut self) -> pb::ServerFrame {
        let state = &self.fold.state;
        let named = self.fold.named();
        let players = state.players.iter().map(|player| convert::session::seen(named, player));
        self.view.update(state.tick.0, players, &state.team_scores);
        let snapshot = (!self.score.events_only).then(|| {
            let mut snapshot = self.view.since(self.baseline);
            snapshot.projectiles = convert::session::flying(named);
            snapshot
        });
        let welcome = self.baseline.is_none().then(|| {
            let session = convert::session::whole(state, &self.fold.header);
            pb::Welcome {
                participants: session.participants.clone(),
                session: Some(session),
                tick_us: state.created.rules.tick_us(),
                ..pb::Welcome::default()
            }
        });
        self.baseline = Some(self.view.number());
        pb::ServerFrame {
            event_seq: self.fold.events.last(),
            tick: state.tick.0,
            welcome,
            snapshot,
            events: std::mem::take(&mut self.events),
            ..pb::ServerFrame::default()
        }
    }

    fn last_frame(&mut self) -> Option<pb::ServerFrame> {
        let shows_nothing = self.baseline.is_none() && !self.score.events_only;
        (!self.events.is_empty() || shows_nothing).then(|| self.frame())
    }

    /// Waits until the moment of the frame has come at the speed that was asked for.
    async fn wait(&mut self) {
        let Some(speed) = self.score.speed else { return };
        let at_us = self.fold.state.at_us;
        let (began_us, began) = *self.began.get_or_insert((at_us, Instant::now()));
        let passed = Duration::from_micros(at_us.saturating_sub(began_us)).div_f64(speed);
        sleep_until(began + passed).await;
    }

    fn is_done(&self) -> bool {
        self.cut || self.past_end
    }

    fn end(&self) -> pb::ReplayEnd {
        let state = &self.fold.state;
        let over = state.status.is_over();
        let reason = match () {
            () if self.cut => "those who look on may not see further yet",
            () if self.past_end => "it was to end here",
            () if !over => "the session goes on",
            () => "",
        };
        pb::ReplayEnd {
            tick: state.tick.0,
            event_seq: self.fold.events.last(),
            whole: over && !self.is_done(),
            reason: reason.to_owned(),
        }
    }
}
