//! Commands of players: judged as they arrive, answered in the class that was asked for.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{Outcome, PlayerNo, Reason, Verdict};
use gamemesh_domain::{Code, Error};
use gamemesh_rpc::trace::Correlation;
use tokio::time::Instant;

use super::{Hosted, Waiter, over};
use crate::convert::{self, input};
use crate::shard::command::{Act, Answer, Input, Origin};
use crate::shard::traces;

impl Hosted {
    pub(in crate::shard) fn act(
        &mut self,
        act: Act,
        now: Instant,
        correlation: Option<&Correlation>,
    ) {
        self.used = now;
        let Act { player, mut input, client_time_us, snapshot_ack, arrived, origin } = act;
        let seat = self.state.player_no(player.as_str());
        let seat = seat.filter(|seat| self.members.contains_key(seat));
        let Some(seat) = seat.filter(|_| !self.is_over()) else {
            let error = if self.is_over() {
                over(&self.state)
            } else {
                Error::new(Code::NotJoined, "the player has no seat in the session")
            };
            return refuse(origin, &error);
        };
        let at_us = self.at_us(arrived);
        let tick = self.state.tick.0;
        let Some(member) = self.members.get_mut(&seat) else { return };
        if let Origin::Socket { connection, .. } = &origin
            && *connection != member.connection
        {
            return;
        }
        member.heard = now;
        if let Input::CorrectionAck(id) = &input {
            member.takes_correction(*id);
        }
        let line = member.line(client_time_us, snapshot_ack, at_us, tick);
        if let (Origin::Call(_), Input::Shot(shot)) = (&origin, &mut input) {
            input::aim(self.named(), seat, shot);
        }
        let (kind, number, wanted) = (input.kind(), input::number(&input), input.wanted());
        // A move is nothing to look for in a trace.
        let (span, within) = match &input {
            Input::Move(_) => (tracing::Span::none(), correlation.cloned()),
            _ => traces::judgement(&self.id, kind, correlation),
        };
        let (_entered, correlation) = (span.enter(), within.as_ref());
        let (verdict, judged) = match input::command(self.named(), seat, &input, line) {
            Ok(None) => return self.answer(origin, nothing(player.as_str(), kind), wanted, true),
            Ok(Some(command)) => {
                let verdict = self.execute(&command, at_us, now, correlation);
                let judged =
                    convert::verdict::of(self.named(), player.as_str(), kind, number, &verdict);
                (verdict, judged)
            }
            Err(unreadable) => {
                let named = self.named();
                let (reason, what) = (unreadable.reason, unreadable.what);
                let judged =
                    convert::verdict::refused(named, player.as_str(), kind, number, reason, what);
                (Verdict::of(reason), judged)
            }
        };
        self.shared.metrics.judged(kind, verdict.reason.name());
        let took = Instant::now().saturating_duration_since(arrived);
        self.shared.metrics.command_seconds.observe(took.as_secs_f64());
        let is_quiet = kind == "move" && verdict.reason.outcome() != Outcome::Refused;
        let mut answer = nothing(player.as_str(), kind);
        answer.verdict = judged;
        answer.event_seq = self.events.last();
        answer.repeated = verdict.reason == Reason::Duplicate;
        answer.position = self.state.player(seat).map(|p| convert::vector(p.pose.position));
        answer.correction = convert::session::correction(
            &self.state,
            seat,
            if verdict.reason.outcome() == Outcome::Corrected { verdict.reason.name() } else { "" },
        );
        self.reply(seat, origin, answer, wanted, is_quiet);
    }

    fn reply(
        &mut self,
        seat: PlayerNo,
        origin: Origin,
        mut answer: Answer,
        wanted: pb::AckClass,
        is_quiet: bool,
    ) {
        let durable = self.journal.durable() >= self.state.version;
        if wanted == pb::AckClass::Durable && !durable {
            answer.ack = pb::AckClass::Durable;
            let outlet = self.members.get(&seat).and_then(|member| member.outlet.clone());
            self.when_durable(Waiter::Call(Box::new(move |written| match written {
                Ok(()) => deliver(origin, answer, outlet.as_deref()),
                Err(error) => refuse(origin, &error),
            })));
            return;
        }
        answer.ack = if durable { pb::AckClass::Durable } else { pb::AckClass::Applied };
        self.answer(origin, answer, wanted, is_quiet);
    }

    fn answer(&self, origin: Origin, answer: Answer, _: pb::AckClass, is_quiet: bool) {
        if is_quiet && matches!(origin, Origin::Socket { .. }) {
            return;
        }
        let seat = self.state.player_no(&answer.verdict.player_id);
        let member = seat.and_then(|seat| self.members.get(&seat));
        deliver(origin, answer, member.and_then(|member| member.outlet.as_deref()));
    }
}

fn nothing(player: &str, kind: &str) -> Answer {
    let verdict = pb::Verdict {
        player_id: player.to_owned(),
        kind: kind.to_owned(),
        accepted: true,
        reason: Reason::Accepted.name().to_owned(),
        ..pb::Verdict::default()
    };
    Answer {
        verdict,
        ack: pb::AckClass::Applied,
        event_seq: 0,
        repeated: false,
        position: None,
        correction: None,
    }
}

fn deliver(origin: Origin, answer: Answer, outlet: Option<&crate::socket::outlet::Outlet>) {
    match origin {
        Origin::Socket { seq, .. } => {
            if let Some(outlet) = outlet {
                let results = vec![result(seq, answer)];
                outlet.put_own(pb::ServerFrame { results, ..pb::ServerFrame::default() });
            }
        }
        Origin::Call(reply) => {
            let _ = reply.send(Ok(answer));
        }
        Origin::Stream { command_id, session_id, answers } => {
            let message = pb::game_server_response::Message::Result(result(0, answer));
            // A game server that does not read loses its stream, not the session its pace.
            answers.give(command_id, session_id, message);
        }
    }
}

fn result(seq: u32, answer: Answer) -> pb::CommandResult {
    pb::CommandResult {
        seq,
        verdict: Some(answer.verdict),
        ack: answer.ack.into(),
        event_seq: answer.event_seq,
        repeated_command: answer.repeated,
    }
}

/// Tells whoever sent a command that it could not be judged.
pub(in crate::shard) fn refuse(origin: Origin, error: &Error) {
    match origin {
        Origin::Socket { .. } => {}
        Origin::Call(reply) => {
            let _ = reply.send(Err(error.clone()));
        }
        Origin::Stream { command_id, session_id, answers } => {
            let fault = pb::Fault {
                reason: error.code.reason().to_owned(),
                message: error.message.clone(),
                ..pb::Fault::default()
            };
            let message = pb::game_server_response::Message::Fault(fault);
            answers.give(command_id, session_id, message);
        }
    }
}
