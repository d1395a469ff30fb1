//! M1 to M7: whether a player can be where he says that he is.

use super::{Judged, Turn};
use crate::combat::PlayerNo;
use crate::combat::command::Move;
use crate::combat::event::{Corrected, Event, Moved};
use crate::combat::fixed::{Look, Vec3};
use crate::combat::session::{CLIENT_US_MAX, Step};
use crate::combat::verdict::{Evidence, MoveEvidence, Reason, Status, Verdict};

/// What a refused move adds to the suspicion, thousandths.
const SUSPICION_REFUSED_MILLI: u32 = 1_000;

impl Turn<'_> {
    pub(super) fn walk(&mut self, input: &Move) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        let player = self.present(input.player)?;
        if !player.is_alive() {
            return Err(Verdict::of(Reason::Dead));
        }
        // Before any arithmetic.
        let possible = input.position.is_in_world() && input.look.is_valid();
        if !possible || input.client_us >= CLIENT_US_MAX {
            return Err(Verdict::of(Reason::Malformed));
        }
        let rules = &self.session.created.rules.movement;
        let step = player.motion.measure(rules, player.pose.position, input, self.at_us);
        let mut evidence = evidence(player.pose.position, input, &step);
        let ignored = |reason| Verdict::with(reason, Evidence::Move(evidence));
        if step.clock.stale {
            let late = step.clock.client_delta_us > 0;
            let verdict = ignored(Reason::Stale);
            if late {
                let (player, client_us) = (input.player, input.client_us);
                self.emit(Event::MoveStale { player, client_us });
            }
            return Err(verdict);
        }
        if !player.echoes(input) {
            evidence.correction = player.correction;
            return Err(Verdict::with(Reason::AwaitingCorrection, Evidence::Move(evidence)));
        }
        let (reason, grounded) = self.judge_step(input, &step, &mut evidence);
        if reason == Reason::Accepted {
            evidence.suspicion_milli = step.suspicion_milli(rules);
            self.emit(Event::Moved(Moved { input: *input, grounded }));
            return Ok(Verdict::with(reason, Evidence::Move(evidence)));
        }
        evidence.suspicion_milli = SUSPICION_REFUSED_MILLI;
        evidence.correction = player.correction + 1;
        let verdict = Verdict::with(reason, Evidence::Move(evidence));
        let (player, correction) = (input.player, evidence.correction);
        let corrected = Corrected { player, correction, input: *input, verdict };
        self.emit(Event::Corrected(Box::new(corrected)));
        Err(verdict)
    }

    fn judge_step(&self, input: &Move, step: &Step, evidence: &mut MoveEvidence) -> (Reason, bool) {
        let rules = &self.session.created.rules.movement;
        let map = &self.content.maps[usize::from(self.session.created.map.0)];
        let _ = &evidence;
        let reason = if step.clock.ahead_us > step.clock.ahead_max_us {
            Reason::Time
        } else if !map.bounds.contains(input.position) {
            Reason::OutOfBounds
        } else if step.distance_q > step.teleport_q(rules).max(step.distance_max_q()) {
            Reason::Teleport
        } else if step.distance_q > step.distance_max_q() {
            Reason::Speed
        } else {
            Reason::Accepted
        };
        (reason, true)
    }

    /// The game puts a living player somewhere.
    pub(super) fn teleport(&mut self, player: PlayerNo, to: Vec3, look: Look) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        let state = self.present(player)?;
        if !state.is_alive() {
            return Err(Verdict::of(Reason::Dead));
        }
        let map = &self.content.maps[usize::from(self.session.created.map.0)];
        if !to.is_in_world() || !look.is_valid() || !map.bounds.contains(to) {
            return Err(Verdict::of(Reason::OutOfBounds));
        }
        let correction = state.correction + 1;
        self.emit(Event::Teleported { player, correction, position: to, look });
        let evidence = MoveEvidence { to, correction, ..MoveEvidence::default() };
        Ok(Verdict::with(Reason::Accepted, Evidence::Move(evidence)))
    }
}

fn evidence(from: Vec3, input: &Move, step: &Step) -> MoveEvidence {
    MoveEvidence {
        from,
        to: input.position,
        client_us: input.client_us,
        client_delta_us: step.time_us,
        arrival_delta_us: step.clock.arrival_delta_us,
        late_us: step.clock.late_us,
        ahead_us: step.clock.ahead_us,
        ahead_max_us: step.clock.ahead_max_us,
        distance_q: step.distance_q,
        distance_max_q: step.distance_max_q(),
        burst_left_q: step.burst_left_uq / 1_000_000,
        speed_max_q_per_s: step.speed_max_q_per_s,
        rise_q: step.rise_q,
        rise_max_q: step.rise_max_q,
        acceleration_q_per_s2: step.acceleration_q_per_s2,
        wall: None,
        suspicion_milli: 0,
        correction: 0,
    }
}
