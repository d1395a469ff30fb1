//! Actions: cooldowns, charges, costs, casts.

use super::damage::{Losses, Source};
use super::{Judged, Turn};
use crate::combat::command::Act;
use crate::combat::content::{Action, ActionTarget, Part};
use crate::combat::event::{Acted, ActionRefused, Cause, Event};
use crate::combat::session::{ActionState, Cast, Numbered, Player};
use crate::combat::verdict::{ActionEvidence, Evidence, Reason, Status, Verdict};
use crate::combat::{ActionNo, PlayerNo, Tick};

/// Actions that can follow upon each other. Content with a cycle is refused; this holds even so.
const CHAIN_MAX: usize = 16;

impl<'a> Turn<'a> {
    pub(super) fn act(&mut self, act: &Act) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        let player = self.present(act.player)?;
        let (action, target) = (act.action, Some(act.target.unwrap_or(act.player)));
        let tick = self.session.tick;
        let mut evidence =
            ActionEvidence { seq: act.seq, tick, action, target, ..ActionEvidence::default() };
        let verdict = |reason, evidence| Verdict::with(reason, Evidence::Action(evidence));
        match player.acts.classify(act.seq) {
            Numbered::New => {}
            Numbered::Repeated(answer) => {
                evidence.first = Some(answer.reason);
                evidence.ready_at = answer.ready_at;
                evidence.target = answer.target;
                return Err(verdict(Reason::Duplicate, evidence));
            }
            Numbered::Old => return Err(verdict(Reason::Stale, evidence)),
            Numbered::Impossible => return Err(verdict(Reason::Sequence, evidence)),
        }
        match self.judge_act(act, &mut evidence) {
            Ok(data) => Ok(self.begin(act, data, evidence)),
            Err(reason) => {
                let verdict = verdict(reason, evidence);
                let refused = ActionRefused { input: *act, verdict };
                self.emit(Event::ActionRefused(Box::new(refused)));
                Err(verdict)
            }
        }
    }

    /// Why an action cannot be done now, and when it can.
    fn judge_act(&self, act: &Act, evidence: &mut ActionEvidence) -> Result<&'a Action, Reason> {
        let rules = &self.session.created.rules;
        let tick = self.session.tick;
        let Some(player) = self.session.player(act.player).filter(|player| player.is_alive())
        else {
            return Err(Reason::Dead);
        };
        let content = self.content;
        let data = content.actions.get(usize::from(act.action.0)).ok_or(Reason::UnknownAction)?;
        let state = player.action(act.action).ok_or(Reason::UnknownAction)?;
        if player.is_stunned() {
            return Err(Reason::Stunned);
        }
        if let Some(cast) = player.cast {
            evidence.ready_at = cast.until;
            return Err(Reason::Casting);
        }
        let cooldown = rules.ticks(data.cooldown_ms);
        let (charges, ready_at) = charges(state, cooldown, tick);
        evidence.charges_left = charges;
        if charges == 0 {
            evidence.ready_at = ready_at;
            return Err(Reason::Cooldown);
        }
        let energy = player.energy_milli(&rules.player, rules.tick_hz, tick);
        evidence.energy = (energy / 1_000) as u32;
        evidence.energy_needed = data.energy_cost;
        let missing = (u64::from(data.energy_cost) * 1_000).saturating_sub(energy);
        if missing > 0 {
            let per_s = u64::from(rules.player.energy_per_s) * 1_000;
            let ticks = (missing * u64::from(rules.tick_hz)).checked_div(per_s);
            let ticks = ticks.map_or(u64::from(u32::MAX), |ticks| ticks + 1);
            evidence.ready_at = tick.after(ticks.min(u64::from(u32::MAX)) as u32);
            return Err(Reason::Energy);
        }
        if data.health_cost > 0 && player.health <= data.health_cost {
            return Err(Reason::Health);
        }
        self.judge_target(player, act, data, evidence)?;
        evidence.charges_left = charges - 1;
        evidence.ready_at =
            if charges == state.charges_max { tick.after(cooldown) } else { ready_at };
        Ok(data)
    }

    /// The target is one for this action, near enough, and in sight where that is needed.
    fn judge_target(
        &self,
        player: &Player,
        act: &Act,
        data: &Action,
        evidence: &mut ActionEvidence,
    ) -> Result<(), Reason> {
        let number = act.target.unwrap_or(act.player);
        let own = number == act.player;
        let enemy = self.session.are_enemies(act.player, player.team, number);
        let fits = match data.target {
            ActionTarget::Own => own,
            ActionTarget::Ally => own || !enemy,
            ActionTarget::Enemy => enemy,
        };
        let target = self.session.player(number).filter(|target| target.is_alive() && fits);
        let target = target.ok_or(Reason::BadTarget)?;
        if own {
            return Ok(());
        }
        evidence.distance_q = target.pose.position.minus(player.pose.position).length_q();
        evidence.distance_max_q = i64::from(data.range_q);
        if evidence.distance_q > evidence.distance_max_q {
            return Err(Reason::TargetTooFar);
        }
        let eye = |player: &Player| {
            player.pose.position.raised(self.content.body.hull(player.pose.stance).eye_q)
        };
        let geometry = self.content.geometry(self.session.created.map);
        if data.needs_line && !geometry.sees(eye(player), eye(target)) {
            return Err(Reason::NoLine);
        }
        Ok(())
    }

    fn begin(&mut self, act: &Act, data: &Action, evidence: ActionEvidence) -> Verdict {
        let verdict = Verdict::with(Reason::Accepted, Evidence::Action(evidence));
        let cast = self.session.created.rules.ticks(data.cast_ms);
        let cast_until = (cast > 0).then(|| self.session.tick.after(cast));
        self.emit(Event::Acted(Box::new(Acted {
            input: *act,
            charges_left: evidence.charges_left,
            ready_at: evidence.ready_at,
            energy_cost: data.energy_cost,
            cast_until,
            by_damage: data.interrupted_by.by_damage,
            by_movement: data.interrupted_by.by_movement,
            verdict,
        })));
        if data.health_cost > 0 {
            let cause = Cause::Cost(act.action);
            let source = Source { by: None, team: Default::default(), cause, shot_seq: 0 };
            let losses = Losses { health: data.health_cost, ..Losses::default() };
            self.lose(&source, act.player, losses, Part::Torso, 0);
        }
        if cast_until.is_none() {
            self.perform(act.player, act.action, act.target.unwrap_or(act.player));
        }
        verdict
    }

    /// An action and those that follow upon it have their effects.
    fn perform(&mut self, player: PlayerNo, action: ActionNo, target: PlayerNo) {
        let content = self.content;
        let team = self.session.player(player).map_or_else(Default::default, |p| p.team);
        let mut next = Some(action);
        for _ in 0..CHAIN_MAX {
            let Some(action) = next else { return };
            let Some(data) = content.actions.get(usize::from(action.0)) else { return };
            let cause = Cause::Action(action);
            let source = Source { by: Some(player), team, cause, shot_seq: 0 };
            for effect in &data.effects {
                self.apply_effect(&source, target, *effect);
            }
            next = data.then;
        }
    }

    /// A cast whose time has come. A target that has died or gone since is let go.
    pub(super) fn finish_cast(&mut self, player: PlayerNo, cast: &Cast) {
        self.emit(Event::CastDone { player, action: cast.action });
        self.perform(player, cast.action, cast.target);
    }

    /// Ends a cast before its time; its energy comes back.
    pub(super) fn interrupt(&mut self, number: PlayerNo) {
        let Some(cast) = self.session.player(number).and_then(|player| player.cast) else { return };
        let (action, energy_back) = (cast.action, cast.energy_cost);
        self.emit(Event::CastInterrupted { player: number, action, energy_back });
    }
}

/// Charges at a tick, and when the next one comes back. Charges come back one after the other.
fn charges(state: &ActionState, cooldown: u32, tick: Tick) -> (u8, Tick) {
    if state.charges >= state.charges_max || tick < state.ready_at {
        return (state.charges, state.ready_at);
    }
    let Some(more) = tick.since(state.ready_at).checked_div(cooldown) else {
        return (state.charges_max, tick);
    };
    let back = more.saturating_add(1).min(u32::from(state.charges_max - state.charges));
    let ready_at = state.ready_at.after(back.saturating_mul(cooldown));
    (state.charges + back as u8, ready_at)
}
