//! M1 to M7: whether a player can be where he says that he is.

use super::{Judged, Turn};
use crate::combat::PlayerNo;
use crate::combat::command::Move;
use crate::combat::event::{Corrected, Event, Moved};
use crate::combat::fixed::{Look, Vec3};
use crate::combat::geometry::Mover;
use crate::combat::session::{CLIENT_US_MAX, Step};
use crate::combat::verdict::{Evidence, MoveEvidence, Reason, Status, Verdict};

/// What a refused move adds to the suspicion, thousandths.
const SUSPICION_REFUSED_MILLI: u32 = 1_000;

/// How far a player may go while he casts what movement interrupts: 0.25 m.
const CAST_MOVE_MAX_Q: i64 = 256;

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
        if step.is_stale {
            let verdict = ignored(Reason::Stale);
            if input.client_us > player.motion.newest_us {
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
            let cast = player.cast.filter(|cast| cast.by_movement);
            self.emit(Event::Moved(Moved { input: *input, grounded }));
            if let Some(cast) = cast
                && input.position.minus(cast.position).length_q() > CAST_MOVE_MAX_Q
            {
                self.interrupt(input.player);
            }
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

    /// M1 to M6 in the order of what they cost, and whether something carries the feet.
    fn judge_step(&self, input: &Move, step: &Step, evidence: &mut MoveEvidence) -> (Reason, bool) {
        let refused = |reason| (reason, false);
        let rules = &self.session.created.rules.movement;
        let map = &self.content.maps[usize::from(self.session.created.map.0)];
        if step.clock.ahead_us > step.clock.ahead_max_us {
            return refused(Reason::Time);
        }
        if !map.bounds.contains(input.position) {
            return refused(Reason::OutOfBounds);
        }
        if step.distance_q > step.distance_max_q() {
            let jumped = step.distance_q > step.teleport_q(rules);
            return refused(if jumped { Reason::Teleport } else { Reason::Speed });
        }
        let geometry = self.content.geometry(self.session.created.map);
        let hull = self.content.body.hull(input.stance);
        // A wall has to leave free what is inside the hull by a quarter: clients differ in the last bits.
        let half_width_q = hull.radius_q - hull.radius_q / 4;
        let step_q = rules.vertical.as_ref().map_or(0, |vertical| vertical.step_q as i32);
        let carried = input.position.z <= map.bounds.min.z.saturating_add(step_q)
            || geometry.carries(half_width_q, input.position, step_q);
        if rules.vertical.is_some() {
            let rises = input.position.z > evidence.from.z;
            // What carries him again ends the flight, but not higher than a jump led to.
            if rises && step.rise_q > step.rise_max_q {
                return refused(Reason::Vertical);
            }
            if !carried && step.rise_q > step.rise_max_q {
                return refused(Reason::Vertical);
            }
            let fall = evidence.from.z.saturating_sub(input.position.z);
            if fall > step.fall_max_q {
                return refused(Reason::Vertical);
            }
        }
        let mover = Mover { half_width_q, bottom_q: step_q.max(1), top_q: hull.height_q };
        if input.position != evidence.from {
            evidence.wall = geometry.bump(&mover, evidence.from, input.position);
        }
        if evidence.wall.is_some() {
            return refused(Reason::Geometry);
        }
        (Reason::Accepted, carried)
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
