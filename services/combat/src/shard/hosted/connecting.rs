//! Connections of players: the newest one counts, and it begins where the last one ended.

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::PlayerNo;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::trace::Correlation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Hosted, Subscriber, Waiter, over};
use crate::convert;
use crate::ids::PlayerId;
use crate::shard::command::{Attach, Attached, Reply};
use crate::socket::close;
use crate::socket::outlet::Closing;
use crate::token::Holder;

/// Game servers that are sent the events of one session.
const SUBSCRIBERS_MAX: usize = 64;

impl Hosted {
    pub(in crate::shard) fn attach(
        &mut self,
        attach: Box<Attach>,
        reply: oneshot::Sender<Result<Attached>>,
        now: Instant,
        correlation: Option<&Correlation>,
    ) {
        self.used = now;
        // Whoever hung up while he was let in does not come in.
        if reply.is_closed() {
            return;
        }
        let known = self.state.player_no(attach.player.as_str());
        let seated = known.filter(|player| {
            self.state.player(*player).is_some_and(|player| player.seat.is_some())
        });
        let seated = match (seated, attach.join) {
            _ if self.is_over() => Err(over(&self.state)),
            (Some(_), _) => Ok(true),
            (None, true) => {
                self.seat(&attach.player, attach.team, now, correlation).map(|(_, had)| had)
            }
            (None, false) => {
                let what = "the player has no seat: join first, or say `join` in the hello";
                Err(Error::new(Code::NotJoined, what))
            }
        };
        match seated {
            Err(error) => {
                let _ = reply.send(Err(error));
            }
            Ok(true) => self.attach_now(&attach, reply, now),
            Ok(false) => self.when_durable(Waiter::Attach(attach, reply)),
        }
    }

    /// The seat is durable: the connection takes the place of an earlier one.
    pub(super) fn attach_now(
        &mut self,
        attach: &Attach,
        reply: oneshot::Sender<Result<Attached>>,
        now: Instant,
    ) {
        if self.has_lost() {
            let _ = reply.send(Err(Error::new(Code::NotServing, "the session is moving")));
            return;
        }
        let player = self.state.player_no(attach.player.as_str());
        let Some((player, member)) =
            player.and_then(|player| Some((player, self.members.get_mut(&player)?)))
        else {
            let _ = reply.send(Err(Error::new(Code::NotJoined, "the seat was given up")));
            return;
        };
        let goes_on = attach.resumed.is_some() || attach.last_event_seq > 0;
        let told = if goes_on { attach.last_event_seq } else { self.events.last() };
        let is_void = attach.resumed.is_some_and(|epoch| !self.events.is_kept(epoch, told));
        let skipped = goes_on && (is_void || self.events.since(told).is_none());
        let told = if skipped { self.events.last() } else { told };
        let replaced = member.connect(attach.outlet.clone(), told, now);
        let hz = self.state.created.rules.tick_hz;
        member.every =
            if attach.frames_max_hz == 0 { 1 } else { hz.div_ceil(attach.frames_max_hz).max(1) };
        let connection = member.connection;
        attach.outlet.shows(self.live.clone());
        if let Some(replaced) = replaced {
            replaced.close(Closing {
                code: close::REPLACED,
                reason: "a newer connection of the player has taken its place".to_owned(),
                retry_after_ms: 0,
            });
        }
        let holder = Holder::Player(attach.player.clone());
        let (epoch, now_us) = (self.live.epoch(), self.shared.clock.now_micros());
        let token = self.shared.tokens.resume(&self.id, &holder, epoch, now_us);
        let welcome = self.welcome(player, connection, goes_on && !skipped, token);
        let correction = convert::session::correction(&self.state, player, "RESUMED");
        attach.outlet.put_own(pb::ServerFrame {
            welcome: Some(welcome),
            correction,
            events_skipped: skipped,
            ..self.own_frame()
        });
        if reply.send(Ok(Attached { connection, live: self.live.clone() })).is_err() {
            self.detach(&attach.player, connection, now);
        }
    }

    fn welcome(
        &self,
        player: PlayerNo,
        connection: u32,
        resumed: bool,
        resume_token: String,
    ) -> pb::Welcome {
        let session = self.session();
        let state = self.state.player(player);
        pb::Welcome {
            seat: Some(player.0.into()),
            participants: session.participants.clone(),
            session: Some(session),
            resume_token,
            connection,
            tick_us: self.state.created.rules.tick_us(),
            delay_s: 0,
            resumed,
            next_shot: state.map_or(1, |state| u64::from(state.shots.top()) + 1),
            next_action: state.map_or(1, |state| u64::from(state.acts.top()) + 1),
        }
    }

    /// A connection has ended; an older one's end changes nothing.
    pub(in crate::shard) fn detach(&mut self, player: &PlayerId, connection: u32, now: Instant) {
        self.used = now;
        let member = self.state.player_no(player.as_str()).and_then(|p| self.members.get_mut(&p));
        if let Some(member) = member.filter(|member| member.connection == connection) {
            member.disconnect(now);
        }
    }

    /// The events after a number, up to another, if they are at hand, as far as one frame has room for them.
    pub(in crate::shard) fn missed(&self, after: u64, up_to: u64) -> Option<Vec<pb::CombatEvent>> {
        let (mut events, _) = self.events.page(after, self.events_room())?;
        events.retain(|event| event.seq <= up_to);
        Some(events)
    }

    pub(in crate::shard) fn subscribe(
        &mut self,
        after: Option<u64>,
        events: mpsc::Sender<Arc<pb::Events>>,
        reply: Reply<()>,
    ) {
        self.subscribers.retain(|subscriber| !subscriber.events.is_closed());
        let told = after.unwrap_or(self.events.last());
        let subscribed = if self.subscribers.len() >= SUBSCRIBERS_MAX {
            let what = format!("the session has {SUBSCRIBERS_MAX} subscribers");
            Err(Error::new(Code::Overloaded, what))
        } else if self.events.since(told).is_none() {
            let what = "these events are no longer at hand; read them from the replay";
            Err(Error::new(Code::OutOfHistory, what))
        } else {
            self.subscribers.push(Subscriber { told, events });
            Ok(())
        };
        let _ = reply.send(subscribed);
    }
}
