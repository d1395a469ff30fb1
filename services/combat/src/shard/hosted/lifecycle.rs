//! A session's life: its status, its seats, and how it ends when nobody is there.

use std::time::Duration;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{
    Command, Evidence, LeaveReason, PlayerNo, Reason, Record, Status, TeamNo, Verdict,
};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::trace::Correlation;
use tokio::time::Instant;

use super::{Hosted, IDLE_GRACE_S, UNCLAIMED_FACTOR, Waiter, over};
use crate::ids::PlayerId;
use crate::shard::command::{Changes, Created, Creation, Join, Joined, Present, Reply};

impl Hosted {
    pub(in crate::shard) fn present(&mut self, now: Instant) -> Present {
        let _ = now;
        let mut snapshot = {
            let mut view = crate::shard::view::View::default();
            self.update_view(&mut view);
            view.since(None)
        };
        snapshot.number = self.view.number();
        Present {
            session: self.session(),
            snapshot,
            state_hash: self.state.state_hash().to_string(),
            live: self.live.clone(),
        }
    }

    /// The session has just been created; answers when that is durable.
    pub(in crate::shard) fn begun(&mut self, record: Record, reply: Reply<Created>, now: Instant) {
        self.take_in(&[record], now, None);
        let session = self.session();
        self.when_durable(Waiter::Call(Box::new(move |durable| {
            let _ = reply.send(durable.map(|()| Created { session, repeated: false }));
        })));
    }

    /// Somebody wants to create a session that there is: the one who did, again?
    pub(in crate::shard) fn created_again(&self, creation: &Creation) -> Result<Created> {
        let header = self.journal.header();
        match &creation.idempotency {
            Some(asked) if asked.key == header.key => {
                if asked.fingerprint[..] == header.fingerprint[..] {
                    return Ok(Created { session: self.session(), repeated: true });
                }
                let what = "the idempotency key was used with another request";
                Err(Error::new(Code::IdempotencyKeyReused, what))
            }
            _ => Err(Error::new(Code::AlreadyExists, format!("there is a session {}", self.id))),
        }
    }

    /// Changes name, seats or status; answers when it is durable.
    pub(in crate::shard) fn update(
        &mut self,
        changes: &Changes,
        reply: Reply<pb::Session>,
        now: Instant,
        correlation: Option<&Correlation>,
    ) {
        let changed = self.change(changes, now, correlation);
        self.answer_session(changed, reply);
    }

    fn change(
        &mut self,
        changes: &Changes,
        now: Instant,
        correlation: Option<&Correlation>,
    ) -> Result<()> {
        if changes.end && self.is_over() {
            return Ok(());
        }
        if self.is_over() {
            return Err(over(&self.state));
        }
        if let Some(expected) = changes.expected_revision
            && expected != self.state.version
        {
            let what = format!("the session is at revision {}", self.state.version);
            return Err(Error::new(Code::VersionConflict, what)
                .with_fact("actualRevision", self.state.version));
        }
        let max_players = changes.max_players.map(u8::try_from).transpose();
        let max_players =
            max_players.map_err(|_| Error::invalid("maxPlayers", "accepts 1 to 128"))?;
        let at_us = self.at_us(now);
        if changes.name.is_some() || max_players.is_some() {
            let name = changes.name.clone();
            let verdict =
                self.execute(&Command::Update { name, max_players }, at_us, now, correlation);
            self.require(&verdict)?;
        }
        if let Some(command) = self.step(changes)? {
            let verdict = self.execute(&command, at_us, now, correlation);
            self.require(&verdict)?;
        }
        Ok(())
    }

    /// The command that leads to the wished status; `None`: the session has it.
    fn step(&self, changes: &Changes) -> Result<Option<Command>> {
        let why = changes.reason.clone();
        if changes.end {
            return Ok(Some(match self.state.status {
                Status::Waiting => Command::Abort { why },
                _ => Command::End { empty: false },
            }));
        }
        let Some(wished) = &changes.status else { return Ok(None) };
        let wished = Status::ALL.into_iter().find(|status| status.name() == wished);
        let wished = wished.ok_or_else(|| {
            Error::invalid("status", "accepts waiting, active, paused, ended, aborted")
        })?;
        Ok(match (self.state.status, wished) {
            (from, to) if from == to => None,
            (Status::Waiting, Status::Active) => Some(Command::Start),
            (Status::Paused, Status::Active) => Some(Command::Resume),
            (Status::Active, Status::Paused) => Some(Command::Pause),
            (Status::Active | Status::Paused, Status::Ended) => Some(Command::End { empty: false }),
            (_, Status::Aborted) => Some(Command::Abort { why }),
            (from, to) => {
                let what = format!("a session that is {} cannot become {}", from.name(), to.name());
                return Err(
                    Error::new(Code::IllegalTransition, what).with_fact("status", from.name())
                );
            }
        })
    }

    /// A verdict on a change of the session itself, as an error where it is one.
    fn require(&self, verdict: &Verdict) -> Result<()> {
        match verdict.reason {
            Reason::Accepted | Reason::AlreadyDone => Ok(()),
            Reason::SessionFull => Err(Error::new(Code::SessionFull, "every seat is taken")),
            Reason::WrongStatus if self.is_over() => Err(over(&self.state)),
            Reason::WrongStatus => {
                let status = match verdict.evidence {
                    Evidence::Status(status) => status,
                    _ => self.state.status,
                };
                let what = format!("a session that is {} does not allow it", status.name());
                Err(Error::new(Code::IllegalTransition, what).with_fact("status", status.name()))
            }
            Reason::NoSuchTeam => Err(Error::invalid(
                "team",
                format!("accepts 0 to {}", self.state.created.mode.teams),
            )),
            Reason::UnknownPlayer | Reason::NotPlaying => {
                Err(Error::new(Code::NotJoined, "the player has no seat in the session"))
            }
            _ => Err(Error::new(Code::InvalidArgument, verdict.reason.name())),
        }
    }

    pub(in crate::shard) fn join(
        &mut self,
        join: &Join,
        reply: Reply<Joined>,
        now: Instant,
        correlation: Option<&Correlation>,
    ) {
        match self.seat(&join.player, join.team, now, correlation) {
            Err(error) => {
                let _ = reply.send(Err(error));
            }
            Ok((player, repeated)) => {
                let session = self.session();
                let participant = session.participants.get(player.index()).cloned();
                let joined =
                    Joined { session, participant: participant.unwrap_or_default(), repeated };
                self.when_durable(Waiter::Call(Box::new(move |durable| {
                    let _ = reply.send(durable.map(|()| joined));
                })));
            }
        }
    }

    /// The player's seat; whether he had it already.
    pub(super) fn seat(
        &mut self,
        player: &PlayerId,
        team: u32,
        now: Instant,
        correlation: Option<&Correlation>,
    ) -> Result<(PlayerNo, bool)> {
        self.used = now;
        if self.is_over() {
            return Err(over(&self.state));
        }
        let team = u8::try_from(team).map(TeamNo).map_err(|_| {
            Error::invalid("team", format!("accepts 0 to {}", self.state.created.mode.teams))
        })?;
        let join = Command::Join { player_id: player.as_str().to_owned(), team: Some(team) };
        let at_us = self.at_us(now);
        let verdict = self.execute(&join, at_us, now, correlation);
        self.require(&verdict)?;
        let player = self.state.player_no(player.as_str());
        let player = player.ok_or_else(|| Error::internal("a player who joined is not there"))?;
        self.members.entry(player).or_insert_with(|| super::Member::new(now));
        self.entered = true;
        self.start_if_full(now, correlation);
        Ok((player, verdict.reason == Reason::AlreadyDone))
    }

    fn start_if_full(&mut self, now: Instant, correlation: Option<&Correlation>) {
        let policy = self.journal.header().policy.unwrap_or_default();
        let wanted = policy.auto_start_players.unwrap_or(0);
        if wanted > 0
            && self.state.status == Status::Waiting
            && self.state.present_count() >= wanted as usize
        {
            let at_us = self.at_us(now);
            self.execute(&Command::Start, at_us, now, correlation);
        }
    }

    pub(in crate::shard) fn leave(
        &mut self,
        player: &PlayerId,
        why: LeaveReason,
        reply: Reply<pb::Session>,
        now: Instant,
        correlation: Option<&Correlation>,
    ) {
        self.used = now;
        let left = match self.state.player_no(player.as_str()) {
            _ if self.is_over() => Err(over(&self.state)),
            None => Err(Error::new(Code::NotJoined, "the player has no seat in the session")),
            Some(player) => {
                let at_us = self.at_us(now);
                let leave = Command::Leave { player, why };
                let verdict = self.execute(&leave, at_us, now, correlation);
                self.require(&verdict)
            }
        };
        self.answer_session(left, reply);
    }

    fn answer_session(&mut self, changed: Result<()>, reply: Reply<pb::Session>) {
        match changed {
            Err(error) => {
                let _ = reply.send(Err(error));
            }
            Ok(()) => {
                let session = self.session();
                self.when_durable(Waiter::Call(Box::new(move |durable| {
                    let _ = reply.send(durable.map(|()| session));
                })));
            }
        }
    }

    /// Gives up seats whose players have been away for too long, and the session if nobody is left.
    pub(super) fn look_after_seats(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        let policy = self.journal.header().policy.unwrap_or_default();
        let grace_s = policy.idle_grace_s.map_or(IDLE_GRACE_S, |grace| grace.max(1) as u32);
        let grace = Duration::from_secs(grace_s.into());
        let at_us = self.at_us(now);
        let away: Vec<PlayerNo> = self
            .members
            .iter()
            .filter(|(_, member)| {
                member.away_since.is_some_and(|since| {
                    now.saturating_duration_since(since.max(member.heard)) >= grace
                })
            })
            .map(|(player, _)| *player)
            .collect();
        for player in away {
            let why = LeaveReason::Timeout;
            self.execute(&Command::Leave { player, why }, at_us, now, None);
        }
        let patience = if self.entered { grace } else { grace * UNCLAIMED_FACTOR };
        if self.members.is_empty() && now.saturating_duration_since(self.used) >= patience {
            let command = match self.state.status {
                Status::Active => Command::End { empty: true },
                _ => Command::Abort { why: "empty".to_owned() },
            };
            self.execute(&command, at_us, now, None);
        }
    }
}
