//! A session in the hands of its owner: judged, applied, written, shown.

mod acting;
mod connecting;
mod lifecycle;
mod showing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::wire::Wire as _;
use gamemesh_domain::combat::{CheckedContent, Command, Event, PlayerNo, Record, Session, Verdict};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::Licence;
use gamemesh_repository::seeded_defect;
use gamemesh_rpc::trace::Correlation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::calendar::Pace;
use super::command::{Attach, Attached};
use super::events::EventRing;
use super::journal::{Journal, Write};
use super::live::Live;
use super::member::Member;
use super::traces::CAUSES_MAX;
use super::view::View;
use crate::convert::{self, Named};
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::stored::StoredPlayer;
use crate::verdicts::Verdicts;

/// How often the whole state goes into the log, in ticks of a second.
const KEYFRAME_EVERY_S: u32 = 5;

/// A session that nobody is connected to ends after so long, unless its policy says otherwise.
const IDLE_GRACE_S: u32 = 30;

/// One that nobody ever entered has so many times as long.
const UNCLAIMED_FACTOR: u32 = 10;

/// A session and everything that its owner needs for it.
pub(super) struct Hosted {
    pub(super) id: SessionId,
    shared: Arc<Shared>,
    content: Arc<CheckedContent>,
    state: Session,
    /// The session's time when it was taken up, and when that was.
    at_us: u64,
    since: Instant,
    live: Arc<Live>,
    pub(super) pace: Pace,
    view: View,
    events: EventRing,
    /// Absent where an older build began to write the session: it did not count.
    verdicts: Option<Verdicts>,
    members: BTreeMap<PlayerNo, Member>,
    subscribers: Vec<Subscriber>,
    journal: Journal,
    waiting: Vec<(u64, Waiter)>,
    /// Commands that the next pictures tell of.
    causes: Vec<Correlation>,
    /// Ticks made here, also while play stands still.
    beats: u64,
    keyframed_at: u32,
    /// The tables are to know of a change.
    is_changed: bool,
    licence: Option<Arc<Licence>>,
    /// It is being given up: nobody is told anything more, and only what is unwritten is written.
    leaving: bool,
    used: Instant,
    entered: bool,
}

/// A game server that is sent the events.
struct Subscriber {
    told: u64,
    events: mpsc::Sender<Arc<pb::Events>>,
}

/// Somebody who waits until a record is durable.
pub(super) enum Waiter {
    Call(Box<dyn FnOnce(Result<()>) + Send>),
    Attach(Box<Attach>, oneshot::Sender<Result<Attached>>),
}

/// A session as it is taken up.
pub(super) struct Taken {
    pub(super) id: SessionId,
    pub(super) content: Arc<CheckedContent>,
    pub(super) state: Session,
    pub(super) events: EventRing,
    pub(super) verdicts: Option<Verdicts>,
    pub(super) journal: Journal,
    pub(super) epoch: u64,
    /// Where others share the log.
    pub(super) licence: Option<Arc<Licence>>,
}

impl Hosted {
    pub(super) fn take_up(taken: Taken, shared: Arc<Shared>, now: Instant) -> Self {
        let Taken { id, content, state, events, verdicts, journal, epoch, licence } = taken;
        let rules = &state.created.rules;
        let period = Duration::from_micros(rules.tick_us().into());
        let spectate = rules.spectate.clone();
        // What passed while nobody had it has passed for the clients too.
        let wall_us = shared.clock.now_micros().saturating_sub(journal.header().created_us);
        let at_us = state.at_us.max(u64::try_from(wall_us).unwrap_or(0));
        let members = state
            .present()
            .map(|(player, _)| (player, Member::new(now)))
            .collect::<BTreeMap<_, _>>();
        Self {
            live: Arc::new(Live::new(now, epoch, period, spectate, licence.as_ref())),
            pace: Pace::new(period, id.spread(), now),
            keyframed_at: state.tick.0,
            entered: !state.players.is_empty(),
            id,
            shared,
            content,
            state,
            at_us,
            since: now,
            view: View::default(),
            events,
            verdicts,
            members,
            subscribers: Vec::new(),
            journal,
            waiting: Vec::new(),
            causes: Vec::new(),
            beats: 0,
            is_changed: false,
            licence,
            leaving: false,
            used: now,
        }
    }

    fn named(&self) -> Named<'_> {
        Named { state: &self.state, content: &self.content }
    }

    /// The session's time at a moment.
    fn at_us(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.since).as_micros() as u64;
        (self.at_us + passed).max(self.state.at_us)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.status.is_over()
    }

    /// Whether nobody needs it here any more: all is written, and all has been shown.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        let shown = self.live.delay() + Duration::from_secs(2);
        self.is_over()
            && self.journal.is_empty()
            && self.waiting.is_empty()
            && now.saturating_duration_since(self.used) > shown
    }

    /// Judges a command and takes in what comes of it.
    fn execute(
        &mut self,
        command: &Command,
        at_us: u64,
        now: Instant,
        correlation: Option<&Correlation>,
    ) -> Verdict {
        let decision = self.state.execute(&self.content, command, at_us);
        self.take_in(&decision.records, now, correlation);
        decision.verdict
    }

    fn take_in(&mut self, records: &[Record], now: Instant, correlation: Option<&Correlation>) {
        let mut told = false;
        for record in records {
            self.journal.push(record, now);
            if let Some(verdicts) = &mut self.verdicts {
                verdicts.count(&record.event);
            }
            if let Event::Damaged(_) = &record.event {
                self.shared.metrics.damage_events.inc();
            }
            if let Some((player, reason)) = convert::session::placed(&record.event) {
                self.tell_place(player, reason);
            }
            if let Event::Left { player, .. } = &record.event {
                self.members.remove(player);
            }
            self.is_changed |= convert::record::changes_session(&record.event);
            let event = convert::record::told(self.named(), record);
            let refused = convert::record::refused(self.named(), record);
            let is_told = event.is_some();
            told |= is_told || refused.is_some();
            if let Some(event) = event.or(refused) {
                let mut event = pb::CombatEvent {
                    seq: 0,
                    tick: record.tick.0,
                    time: Some(self.time(record.at_us)),
                    session_id: String::new(),
                    event: Some(event),
                };
                if is_told {
                    event.seq = self.events.push(event.clone());
                }
                self.journal.tell(record.number, event);
            }
            if let Some(mut validation) = convert::record::validation(self.named(), record) {
                validation.time = Some(self.time(record.at_us));
                self.journal.judged(validation);
            }
        }
        if told {
            self.journal.note_events(correlation);
            if let Some(correlation) = correlation
                && self.causes.len() < CAUSES_MAX
            {
                self.causes.push(correlation.clone());
            }
        }
    }

    fn time(&self, at_us: u64) -> prost_types::Timestamp {
        let created_us = self.journal.header().created_us;
        convert::timestamp(created_us.saturating_add(at_us as i64))
    }

    /// Tells a player where he is, if his client must echo it.
    fn tell_place(&self, player: PlayerNo, reason: &str) {
        let correction = convert::session::correction(&self.state, player, reason);
        let outlet = self.members.get(&player).and_then(|member| member.outlet.as_ref());
        if let (Some(correction), Some(outlet)) = (correction, outlet) {
            let correction = Some(correction);
            outlet.put_own(pb::ServerFrame { correction, ..self.own_frame() });
        }
    }

    fn own_frame(&self) -> pb::ServerFrame {
        pb::ServerFrame {
            tick: self.state.tick.0,
            epoch: self.live.epoch(),
            ..pb::ServerFrame::default()
        }
    }

    /// The session as callers see it.
    fn session(&self) -> pb::Session {
        let mut session = convert::session::whole(&self.state, self.journal.header());
        for participant in &mut session.participants {
            let member = self.members.get(&PlayerNo(participant.seat as u16));
            participant.connected = member.is_some_and(Member::is_connected);
        }
        session.spectators = self.live.spectators() as i32;
        session.event_seq = self.events.last();
        session.epoch = self.live.epoch();
        session
    }

    /// Answers when everything up to now is durable.
    fn when_durable(&mut self, waiter: Waiter) {
        let early = seeded_defect("combat.acknowledge_early");
        if early || self.journal.durable() >= self.state.version {
            return self.proceed(waiter, Instant::now());
        }
        self.journal.hurry();
        self.waiting.push((self.state.version, waiter));
    }

    /// What somebody waited for is durable.
    fn proceed(&mut self, waiter: Waiter, now: Instant) {
        match waiter {
            Waiter::Call(answer) => answer(Ok(())),
            Waiter::Attach(attach, reply) => self.attach_now(&attach, reply, now),
        }
    }

    /// Whether another instance has, or may have, the session by now.
    pub(super) fn has_lost(&self) -> bool {
        self.leaving || self.licence.as_deref().is_some_and(is_lost)
    }

    /// The next write, if it is time for one.
    pub(super) fn write(&mut self, now: Instant) -> Option<Write> {
        if self.is_changed && self.journal.due().is_some_and(|due| due <= now) {
            self.is_changed = false;
            let players = self.state.players.iter().map(|player| StoredPlayer {
                player_id: player.id.clone(),
                score: player.score.into(),
                stats: player.stats.to_wire().into(),
            });
            let players = players.collect();
            self.journal.summarise(self.session(), players);
        }
        self.journal.next(self.events.last(), self.shared.clock.now_micros(), now)
    }

    /// Whether the log has a block that it has not answered.
    pub(super) fn is_writing(&self) -> bool {
        self.journal.is_writing()
    }

    /// A write has succeeded: those who waited for it are answered.
    pub(super) fn written(&mut self, now: Instant) {
        self.shared.metrics.blocks.inc();
        self.journal.written();
        let durable = self.journal.durable();
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(record, _)| *record <= durable);
        self.waiting = waiting;
        for (_, waiter) in ready {
            self.proceed(waiter, now);
        }
        if !self.waiting.is_empty() {
            self.journal.hurry();
        }
    }

    /// A write has failed. Whether the session can go on here.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.shared.metrics.block_failures.inc();
        self.journal.failed(now);
        !self.leaving && !self.journal.is_full()
    }

    /// Everything is written.
    pub(super) fn is_written(&self) -> bool {
        self.journal.is_empty()
    }

    /// Writes as soon as possible.
    pub(super) fn hurry(&mut self) {
        self.journal.hurry();
    }

    /// The session is no longer owned here: whoever waits is told so.
    pub(super) fn lose(&mut self, error: &Error) {
        self.withdraw();
        for (_, waiter) in self.waiting.drain(..) {
            match waiter {
                Waiter::Call(answer) => answer(Err(error.clone())),
                Waiter::Attach(_, reply) => {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Another instance has the session, or may have it by now: nobody is shown anything more. Whoever
    /// waits for something to be durable still learns what the log says of it.
    pub(super) fn withdraw(&mut self) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        self.journal.hurry();
        let closing = crate::socket::outlet::Closing {
            code: crate::socket::close::RESTART,
            reason: "the session has moved; come back with the resume token".to_owned(),
            retry_after_ms: 500,
        };
        for member in self.members.values_mut() {
            if let Some(outlet) = member.outlet.take() {
                outlet.close(closing.clone());
            }
        }
        self.subscribers.clear();
        self.live.move_away();
    }
}

/// Whether a licence is over.
pub(super) fn is_lost(licence: &Licence) -> bool {
    licence.fence().is_none() && !seeded_defect("combat.licence")
}

pub(super) use self::acting::refuse;

/// A session that is over, told to whoever wants to change it.
fn over(session: &Session) -> Error {
    Error::new(Code::SessionEnded, format!("the session is {}", session.status.name()))
        .with_fact("status", session.status.name())
}
