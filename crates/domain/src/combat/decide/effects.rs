//! Effects: how they begin, work and end.

use super::Turn;
use super::damage::Source;
use crate::combat::content::{Effect, EffectKind, Stacking};
use crate::combat::effect::{EffectEnd, EffectKey, EffectState};
use crate::combat::event::{Cause, Event};
use crate::combat::session::EFFECTS_MAX;
use crate::combat::{EffectNo, PlayerNo};

impl Turn<'_> {
    /// An effect upon a living player.
    pub(super) fn apply_effect(&mut self, source: &Source, target: PlayerNo, number: EffectNo) {
        let Some(data) = self.content.effects.get(usize::from(number.0)) else { return };
        let source = Source { cause: Cause::Effect(number), ..*source };
        let Some(player) = self.session.player(target).filter(|player| player.is_alive()) else {
            return;
        };
        if data.kind.is_harmful() && !self.may_hurt(&source, target) {
            return;
        }
        let Ok(replaces) = replaced(&player.effects, number, data.stacking) else { return };
        if data.duration_ms > 0 {
            let effect = self.running(&source, target, number, data);
            let effect = Box::new(effect);
            self.emit(Event::EffectApplied { player: target, effect, replaces });
        }
        self.pulse(&source, target, data.kind);
        let stunned = self.session.player(target).is_some_and(|player| player.cast.is_some());
        if data.kind == EffectKind::Stun && stunned {
            self.interrupt(target);
        }
    }

    fn running(
        &self,
        source: &Source,
        target: PlayerNo,
        number: EffectNo,
        data: &Effect,
    ) -> EffectState {
        let rules = &self.session.created.rules;
        let period_ms = data.kind.period_ms().filter(|period| *period > 0);
        let left = if let EffectKind::Shield { amount } = data.kind { amount } else { 0 };
        EffectState {
            key: EffectKey(self.session.player(target).map_or(0, |player| player.next_effect)),
            effect: number,
            kind: data.kind,
            by: source.by,
            team: source.team,
            ends_at: self.session.tick.after(rules.ticks(data.duration_ms)),
            next_at: period_ms.map(|period| self.session.tick.after(rules.ticks(period))),
            left,
        }
    }

    /// What damage and heals do, at once and after each period.
    fn pulse(&mut self, source: &Source, target: PlayerNo, kind: EffectKind) {
        match kind {
            EffectKind::Damage { amount, ignores_armour, .. } => {
                let amount = self.amount(source, target, amount, &[]);
                self.hurt(source, target, amount, !ignores_armour);
            }
            EffectKind::Heal { amount, .. } => self.heal(source, target, amount),
            _ => {}
        }
    }

    fn heal(&mut self, source: &Source, target: PlayerNo, amount: u32) {
        let most = self.session.created.rules.player.health_max;
        let Some(player) = self.session.player(target).filter(|player| player.is_alive()) else {
            return;
        };
        let amount = amount.min(most.saturating_sub(player.health));
        if amount > 0 {
            let (by, cause) = (source.by, source.cause);
            self.emit(Event::Healed { player: target, by, cause, amount });
        }
    }

    /// The effects upon one player at a tick: periods that are over, then ends.
    pub(super) fn tick_effects(&mut self, target: PlayerNo) {
        let tick = self.session.tick;
        let due = |effect: &EffectState| {
            effect.ends_at <= tick || effect.next_at.is_some_and(|next| next <= tick)
        };
        let mut after = None;
        // In the order of the keys; an effect that an end brings has a later key, and its time has not
        // come.
        while let Some(player) = self.session.player(target)
            && let Some(effect) =
                player.effects.iter().find(|effect| Some(effect.key) > after && due(effect))
        {
            let effect = *effect;
            after = Some(effect.key);
            self.tick_effect(target, &effect);
        }
    }

    fn tick_effect(&mut self, target: PlayerNo, effect: &EffectState) {
        let tick = self.session.tick;
        let cause = Cause::Effect(effect.effect);
        let source = Source { by: effect.by, team: effect.team, cause, shot_seq: 0 };
        if let (Some(next), Some(period)) = (effect.next_at, effect.kind.period_ms())
            && next <= tick
        {
            let next_at = next.after(self.session.created.rules.ticks(period).max(1));
            self.emit(Event::EffectPulsed { player: target, effect: effect.key, next_at });
            self.pulse(&source, target, effect.kind);
        }
        let runs = |turn: &Self| {
            let player = turn.session.player(target);
            player.is_some_and(|player| player.effects.iter().any(|e| e.key == effect.key))
        };
        if effect.ends_at <= tick && runs(self) {
            let why = EffectEnd::Time;
            self.emit(Event::EffectEnded { player: target, effect: effect.key, why });
            let data = self.content.effects.get(usize::from(effect.effect.0));
            if let Some(then) = data.and_then(|data| data.then) {
                self.apply_effect(&source, target, then);
            }
        }
    }
}

/// Which running effect a new one replaces; an error if it does not begin at all.
fn replaced(
    running: &[EffectState],
    number: EffectNo,
    stacking: Stacking,
) -> Result<Option<EffectKey>, ()> {
    let mut same = running.iter().filter(|effect| effect.effect == number);
    let oldest = same.next();
    let full = || running.first().filter(|_| running.len() >= EFFECTS_MAX);
    let replaced = match (stacking, oldest) {
        (Stacking::Keep, Some(_)) => return Err(()),
        (Stacking::Refresh, Some(oldest)) => Some(oldest),
        (Stacking::Stack { max }, Some(oldest)) if same.count() + 1 >= usize::from(max) => {
            Some(oldest)
        }
        _ => full(),
    };
    Ok(replaced.map(|effect| effect.key))
}
