//! What damage does: shield, armour, health, death.

use super::Turn;
use crate::combat::content::{EffectKind, ModeKind, Part};
use crate::combat::effect::{EffectEnd, factor_permille};
use crate::combat::event::{Cause, Damaged, Died, EndReason, Event};
use crate::combat::session::Player;
use crate::combat::{PlayerNo, TeamNo};

/// Where damage comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) by: Option<PlayerNo>,
    /// The team of him who did it when he did it.
    pub(super) team: TeamNo,
    pub(super) cause: Cause,
    pub(super) shot_seq: u32,
}

/// What stands between damage and death.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vitals {
    pub(super) shield: u32,
    pub(super) armour: u32,
    pub(super) absorb_permille: u32,
    pub(super) covers_head: bool,
    pub(super) health: u32,
}

/// What damage took: the four are the amount.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses {
    pub(super) shield: u32,
    pub(super) armour: u32,
    pub(super) health: u32,
    pub(super) overkill: u32,
}

impl Vitals {
    pub(super) fn of(player: &Player) -> Self {
        Self {
            shield: player.shield(),
            armour: player.armour.points,
            absorb_permille: player.armour.absorb_permille,
            covers_head: player.armour.covers_head,
            health: player.health,
        }
    }

    /// Takes damage: first the shield, then the armour's share, then health. `pierce_permille` of the
    /// armour's share passes it by.
    pub(super) fn take(&mut self, amount: u32, part: Part, pierce_permille: u32) -> Losses {
        let shield = self.shield.min(amount);
        let rest = amount - shield;
        let covered = part != Part::Head || self.covers_head;
        let share = u64::from(self.absorb_permille) * u64::from(1_000 - pierce_permille.min(1_000));
        let absorbed = (u64::from(rest) * share / 1_000_000) as u32;
        let armour = if covered { absorbed.min(rest).min(self.armour) } else { 0 };
        let rest = rest - armour;
        let health = rest.min(self.health);
        self.shield -= shield;
        self.armour -= armour;
        self.health -= health;
        Losses { shield, armour, health, overkill: rest - health }
    }
}

impl Losses {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            shield: self.shield.saturating_add(other.shield),
            armour: self.armour.saturating_add(other.armour),
            health: self.health.saturating_add(other.health),
            overkill: self.overkill.saturating_add(other.overkill),
        }
    }

    pub(super) const fn amount(self) -> u32 {
        self.shield + self.armour + self.health + self.overkill
    }
}

impl Turn<'_> {
    /// Whether the rules let somebody hurt a player at all.
    pub(super) fn may_hurt(&self, source: &Source, target: PlayerNo) -> bool {
        let mode = &self.session.created.mode;
        let Some(player) = self.session.player(target) else { return false };
        if player.is_protected(self.session.tick) {
            return false;
        }
        match source.by {
            None => true,
            Some(by) if by == target => mode.self_damage,
            Some(by) => mode.friendly_fire || self.session.are_enemies(by, source.team, target),
        }
    }

    /// Base damage times factors in thousandths, divided once: the order does not matter.
    pub(super) fn amount(
        &self,
        source: &Source,
        target: PlayerNo,
        base: u32,
        factors: &[u64],
    ) -> u32 {
        let dealt = |kind: &EffectKind| match kind {
            EffectKind::DamageDealt { permille } => Some(*permille),
            _ => None,
        };
        let taken = |kind: &EffectKind| match kind {
            EffectKind::DamageTaken { permille } => Some(*permille),
            _ => None,
        };
        let of = |player: Option<PlayerNo>, kind: &dyn Fn(&EffectKind) -> Option<u32>| {
            let player = player.and_then(|player| self.session.player(player));
            player.map_or(1_000, |player| factor_permille(&player.effects, kind))
        };
        let factors = factors.iter().copied();
        let all = factors.chain([of(source.by, &dealt), of(Some(target), &taken)]);
        // Each factor is at most 10⁵, the base 10⁶, so six factors stay within 2¹²⁰.
        let (product, count) = all.fold((u128::from(base), 0), |(product, count), one| {
            (product * u128::from(one), count + 1)
        });
        (product / 1_000_u128.pow(count)).min(1_000_000_000) as u32
    }

    /// Damage that is no shot: effects and explosions. Nothing happens to the dead and the protected.
    pub(super) fn hurt(&mut self, source: &Source, target: PlayerNo, amount: u32, armoured: bool) {
        let Some(player) = self.session.player(target) else { return };
        if !player.is_alive() || amount == 0 || !self.may_hurt(source, target) {
            return;
        }
        let pierce = if armoured { 0 } else { 1_000 };
        let losses = Vitals::of(player).take(amount, Part::Torso, pierce);
        self.lose(source, target, losses, Part::Torso, 0);
    }

    /// What was taken, and what comes of it.
    pub(super) fn lose(
        &mut self,
        source: &Source,
        target: PlayerNo,
        losses: Losses,
        part: Part,
        distance_q: i64,
    ) {
        let Losses { shield, armour, health, overkill } = losses;
        self.emit(Event::Damaged(Damaged {
            player: target,
            by: source.by,
            cause: source.cause,
            shot_seq: source.shot_seq,
            part,
            distance_q,
            amount: losses.amount(),
            shield,
            armour,
            health,
            overkill,
        }));
        let Some(player) = self.session.player(target) else { return };
        if player.health == 0 {
            self.die(source, target, part);
            return;
        }
        if shield > 0 {
            self.end_used_shields(target);
        }
        let cast = self.session.player(target).and_then(|player| player.cast);
        if source.by != Some(target) && cast.is_some_and(|cast| cast.by_damage) {
            self.interrupt(target);
        }
    }

    fn end_used_shields(&mut self, target: PlayerNo) {
        let is_used = |kind: &EffectKind| matches!(kind, EffectKind::Shield { .. });
        while let Some(player) = self.session.player(target)
            && let Some(used) = player.effects.iter().find(|e| is_used(&e.kind) && e.left == 0)
        {
            let effect = used.key;
            self.emit(Event::EffectEnded { player: target, effect, why: EffectEnd::UsedUp });
        }
    }

    fn die(&mut self, source: &Source, target: PlayerNo, part: Part) {
        let Some(player) = self.session.player(target) else { return };
        let rules = &self.session.created.rules;
        let killer = source.by.filter(|by| *by != target);
        let young = rules.ticks(rules.damage.assist_ms);
        let assists = player.attackers.iter().filter(|attacker| {
            Some(attacker.by) != killer
                && attacker.damage >= rules.damage.assist_damage_min
                && self.session.tick.since(attacker.last) <= young
        });
        let assists = assists.map(|attacker| attacker.by).collect();
        let mode = &self.session.created.mode;
        let respawn_at = match mode.kind {
            ModeKind::Rounds(_) => None,
            _ => Some(self.session.tick.after(rules.ticks(mode.respawn_ms))),
        };
        let cause = source.cause;
        let died = Died { player: target, killer, cause, part, assists, respawn_at };
        self.emit(Event::Died(Box::new(died)));
        self.finish_by_score();
    }

    /// Ends the session when somebody has what it takes. In rounds, that is looked at with the round.
    pub(super) fn finish_by_score(&mut self) {
        let mode = &self.session.created.mode;
        let goal = i32::try_from(mode.score_max).unwrap_or(i32::MAX);
        let best = match mode.kind {
            ModeKind::Deathmatch => self.session.present().map(|(_, player)| player.score).max(),
            _ => self.session.team_scores.iter().copied().max(),
        };
        if goal > 0 && best.is_some_and(|best| best >= goal) && !self.session.status.is_over() {
            self.finish(EndReason::Score);
        }
    }
}
