//! How actions and effects change the players, and how answers are remembered.

use super::{Answer, Cast, Session, corrupted};
use crate::Result;
use crate::combat::content::Part;
use crate::combat::effect::{EffectKey, EffectState};
use crate::combat::event::{Acted, ActionRefused};
use crate::combat::verdict::{Evidence, Verdict};
use crate::combat::{PlayerNo, Tick};

/// Effects upon one player at once, at most; one more replaces the oldest.
pub(in crate::combat) const EFFECTS_MAX: usize = 32;

impl Session {
    pub(super) fn acted(&mut self, acted: &Acted) -> Result<()> {
        let tick = self.tick;
        let rules = self.created.rules.clone();
        let player = self.player_mut(acted.input.player)?;
        let energy = player.energy_milli(&rules.player, rules.tick_hz, tick);
        player.energy_milli = energy.saturating_sub(u64::from(acted.energy_cost) * 1_000);
        player.energy_at = tick;
        player.stats.actions += 1;
        player.acts.remember(action_answer(acted.input.seq, &acted.verdict));
        if let Some(until) = acted.cast_until {
            player.cast = Some(Cast {
                action: acted.input.action,
                target: acted.input.target.unwrap_or(acted.input.player),
                until,
                by_damage: acted.by_damage,
                by_movement: acted.by_movement,
                position: player.pose.position,
                energy_cost: acted.energy_cost,
            });
        }
        let state = player.actions.iter_mut().find(|state| state.action == acted.input.action);
        let state = state.ok_or_else(|| corrupted("an action that is not in the loadout"))?;
        state.charges = acted.charges_left;
        state.ready_at = acted.ready_at;
        Ok(())
    }

    pub(super) fn action_refused(&mut self, refused: &ActionRefused) -> Result<()> {
        let player = self.player_mut(refused.input.player)?;
        player.acts.remember(action_answer(refused.input.seq, &refused.verdict));
        Ok(())
    }

    pub(super) fn cast_interrupted(&mut self, player: PlayerNo, energy_back: u32) -> Result<()> {
        let tick = self.tick;
        let rules = self.created.rules.clone();
        let player = self.player_mut(player)?;
        let energy = player.energy_milli(&rules.player, rules.tick_hz, tick);
        let most = u64::from(rules.player.energy_max) * 1_000;
        player.energy_milli = (energy + u64::from(energy_back) * 1_000).min(most);
        player.energy_at = tick;
        player.cast = None;
        Ok(())
    }

    pub(super) fn effect_applied(
        &mut self,
        player: PlayerNo,
        effect: &EffectState,
        replaces: Option<EffectKey>,
    ) -> Result<()> {
        let at_us = self.at_us;
        let rules = self.created.rules.clone();
        let player = self.player_mut(player)?;
        if let Some(replaced) = replaces {
            player.effects.retain(|running| running.key != replaced);
        }
        if effect.key.0 != player.next_effect || player.effects.len() >= EFFECTS_MAX {
            return Err(corrupted("an effect too many"));
        }
        player.next_effect += 1;
        player.effects.push(*effect);
        player.renew_speed(&rules, at_us);
        Ok(())
    }

    pub(super) fn effect_ended(&mut self, player: PlayerNo, effect: EffectKey) -> Result<()> {
        let at_us = self.at_us;
        let rules = self.created.rules.clone();
        self.effect_mut(player, effect)?;
        let player = self.player_mut(player)?;
        player.effects.retain(|running| running.key != effect);
        player.renew_speed(&rules, at_us);
        Ok(())
    }

    pub(super) fn effect_mut(
        &mut self,
        player: PlayerNo,
        effect: EffectKey,
    ) -> Result<&mut EffectState> {
        let effects = &mut self.player_mut(player)?.effects;
        let running = effects.iter_mut().find(|running| running.key == effect);
        running.ok_or_else(|| corrupted("a record of an effect that does not run"))
    }
}

pub(super) fn shot_answer(seq: u32, verdict: &Verdict) -> Answer {
    let Evidence::Shot(evidence) = &verdict.evidence else { return answer(seq, verdict) };
    Answer {
        target: evidence.target,
        part: evidence.part,
        damage: evidence.damage,
        hits: evidence.hits,
        killed: evidence.killed,
        ready_at: evidence.tick,
        ..answer(seq, verdict)
    }
}

fn action_answer(seq: u32, verdict: &Verdict) -> Answer {
    let Evidence::Action(evidence) = &verdict.evidence else { return answer(seq, verdict) };
    Answer { target: evidence.target, ready_at: evidence.ready_at, ..answer(seq, verdict) }
}

fn answer(seq: u32, verdict: &Verdict) -> Answer {
    Answer {
        seq,
        reason: verdict.reason,
        target: None,
        part: Part::Torso,
        damage: 0,
        hits: 0,
        killed: false,
        ready_at: Tick(0),
    }
}
