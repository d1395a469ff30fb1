//! How lives, shots, damage and deaths change the players.

use super::undertakings::shot_answer;
use super::{
    ActionState, Contribution, Life, PROJECTILES_MAX, Player, Session, WeaponState, corrupted,
};
use crate::Result;
use crate::combat::content::{ModeKind, Part, Rules, Stance};
use crate::combat::event::{Damaged, Died, Fired, Projectile, ShotRefused, Spawned, Worn};
use crate::combat::verdict::Evidence;
use crate::combat::{PlayerNo, Tick};

impl Session {
    pub(super) fn spawn(&mut self, spawned: &Spawned) -> Result<()> {
        let (tick, at_us) = (self.tick, self.at_us);
        let rules = self.created.rules.clone();
        let track = self.new_track();
        let player = self.player_mut(spawned.player)?;
        player.drop_everything();
        player.life = Life::Alive;
        player.track = track;
        player.pose.position = spawned.position;
        player.pose.look = spawned.look;
        player.pose.stance = Stance::Standing;
        player.correction = spawned.correction;
        player.awaits_correction = true;
        player.motion.place(spawned.position);
        player.motion.burst_spent_uq = 0;
        player.health = rules.player.health_max;
        player.armour = spawned.armour;
        player.weapons = spawned
            .weapons
            .iter()
            .map(|carried| WeaponState {
                weapon: carried.weapon,
                rounds: carried.rounds,
                reserve: carried.reserve,
                magazine: carried.magazine,
                next_us: 0,
            })
            .collect();
        player.slot = 0;
        player.equipped_at = tick;
        player.weapon_speed_permille = spawned.speed_permille;
        player.actions = spawned
            .actions
            .iter()
            .map(|prepared| ActionState {
                action: prepared.action,
                charges: prepared.charges,
                charges_max: prepared.charges,
                ready_at: tick,
            })
            .collect();
        player.energy_milli = u64::from(rules.player.energy_max) * 1_000;
        player.energy_at = tick;
        player.protected_until = spawned.protected_until;
        player.stats.lives += 1;
        let given: u64 = player
            .weapons
            .iter()
            .map(|weapon| u64::from(weapon.rounds) + u64::from(weapon.reserve))
            .sum();
        player.stats.rounds_given += given;
        player.renew_speed(&rules, at_us);
        Ok(())
    }

    pub(super) fn fired(&mut self, fired: &Fired) -> Result<()> {
        let at_us = self.at_us;
        let rules = self.created.rules.movement.clone();
        let shooter = self.player_mut(fired.input.player)?;
        shooter.motion.clock.observe(&rules, fired.input.client_us, at_us);
        // A shot that counts after its shooter's death comes from what he carried then.
        if let Some(weapon) = shooter.weapons.get_mut(usize::from(fired.input.slot)) {
            weapon.rounds = weapon.rounds.saturating_sub(1);
            weapon.next_us = fired.next_us;
        }
        shooter.protected_until = Tick(0);
        shooter.stats.shots += 1;
        let Evidence::Shot(evidence) = &fired.verdict.evidence else {
            return Err(corrupted("a shot without its evidence"));
        };
        shooter.view_q8 = shooter.view_q8.max(evidence.view_q8);
        if evidence.hits > 0 {
            shooter.stats.hits += 1;
            shooter.stats.head_hits += u32::from(evidence.part == Part::Head);
        }
        shooter.shots.remember(shot_answer(fired.input.seq, &fired.verdict));
        Ok(())
    }

    pub(super) fn shot_refused(&mut self, refused: &ShotRefused) -> Result<()> {
        let shooter = self.player_mut(refused.input.player)?;
        shooter.stats.shots_refused += 1;
        shooter.shots.remember(shot_answer(refused.input.seq, &refused.verdict));
        Ok(())
    }

    pub(super) fn switched(
        &mut self,
        player: PlayerNo,
        slot: u8,
        ready_at: Tick,
        speed_permille: u32,
    ) -> Result<()> {
        let at_us = self.at_us;
        let rules = self.created.rules.clone();
        let player = self.player_mut(player)?;
        player.slot = slot;
        player.equipped_at = ready_at;
        player.reloaded_at = None;
        player.weapon_speed_permille = speed_permille;
        player.renew_speed(&rules, at_us);
        Ok(())
    }

    pub(super) fn reloaded(
        &mut self,
        player: PlayerNo,
        slot: u8,
        rounds: u16,
        reserve: u16,
    ) -> Result<()> {
        let player = self.player_mut(player)?;
        player.reloaded_at = None;
        let weapon = player.weapons.get_mut(usize::from(slot));
        let weapon = weapon.ok_or_else(|| corrupted("a reload of a weapon that is not carried"))?;
        weapon.rounds = rounds;
        weapon.reserve = reserve;
        Ok(())
    }

    pub(super) fn launched(&mut self, projectile: &Projectile) -> Result<()> {
        if self.projectiles.len() >= PROJECTILES_MAX || projectile.number.0 != self.next_projectile
        {
            return Err(corrupted("a projectile too many"));
        }
        self.projectiles.push(*projectile);
        self.next_projectile += 1;
        Ok(())
    }

    pub(super) fn damaged(&mut self, damaged: &Damaged) -> Result<()> {
        let tick = self.tick;
        let victim = self.player_mut(damaged.player)?;
        victim.health = victim.health.saturating_sub(damaged.health);
        victim.armour.points = victim.armour.points.saturating_sub(damaged.armour);
        let mut shield = damaged.shield;
        for effect in &mut victim.effects {
            let absorbed = effect.left.min(shield);
            effect.left -= absorbed;
            shield -= absorbed;
        }
        let stats = &mut victim.stats;
        stats.damage_taken += u64::from(damaged.amount);
        stats.health_lost += u64::from(damaged.health);
        stats.armour_lost += u64::from(damaged.armour);
        stats.shield_lost += u64::from(damaged.shield);
        stats.overkill_taken += u64::from(damaged.overkill);
        let Some(by) = damaged.by.filter(|by| *by != damaged.player) else { return Ok(()) };
        victim.blame(by, damaged.amount.saturating_sub(damaged.overkill), tick);
        let attacker = &mut self.player_mut(by)?.stats;
        attacker.damage_dealt += u64::from(damaged.amount);
        attacker.overkill_dealt += u64::from(damaged.overkill);
        Ok(())
    }

    pub(super) fn healed(
        &mut self,
        player: PlayerNo,
        by: Option<PlayerNo>,
        amount: u32,
    ) -> Result<()> {
        let health_max = self.created.rules.player.health_max;
        let healed = self.player_mut(player)?;
        healed.health = healed.health.saturating_add(amount).min(health_max);
        healed.stats.healing_taken += u64::from(amount);
        if let Some(by) = by {
            self.player_mut(by)?.stats.healing_done += u64::from(amount);
        }
        Ok(())
    }

    pub(super) fn died(&mut self, died: &Died) -> Result<()> {
        let (tick, at_us) = (self.tick, self.at_us);
        let victim = self.player_mut(died.player)?;
        if !victim.is_alive() {
            return Err(corrupted("a player dies twice"));
        }
        victim.life = Life::Dead { at_us, tick, respawn_at: died.respawn_at };
        victim.health = 0;
        victim.cast = None;
        victim.reloaded_at = None;
        victim.effects.clear();
        victim.attackers.clear();
        victim.stats.deaths += 1;
        let victim_team = victim.team;
        let killer = died.killer.filter(|killer| *killer != died.player);
        let scorer = killer.unwrap_or(died.player);
        let teams = !self.team_scores.is_empty();
        let scorer_team = self.player_mut(scorer)?.team;
        let friendly = killer.is_some() && teams && scorer_team == victim_team;
        let point = if killer.is_none() || friendly { -1 } else { 1 };
        let stats = &mut self.player_mut(scorer)?.stats;
        match killer {
            Some(_) => {
                stats.kills += 1;
                stats.team_kills += u32::from(friendly);
                stats.head_kills += u32::from(died.part == Part::Head);
            }
            None => stats.suicides += 1,
        }
        let scorer = self.player_mut(scorer)?;
        scorer.score = scorer.score.saturating_add(point);
        if self.created.mode.kind == ModeKind::TeamDeathmatch {
            self.score_team(scorer_team, point);
        }
        for assist in &died.assists {
            self.player_mut(*assist)?.stats.assists += 1;
        }
        Ok(())
    }
}

impl Player {
    /// Death, leaving and a new life take all that he carries. Answers and numbers stay.
    pub(super) fn drop_everything(&mut self) {
        let dropped: u64 = self
            .weapons
            .iter()
            .map(|weapon| u64::from(weapon.rounds) + u64::from(weapon.reserve))
            .sum();
        self.stats.rounds_dropped += dropped;
        self.weapons.clear();
        self.actions.clear();
        self.effects.clear();
        self.attackers.clear();
        self.cast = None;
        self.reloaded_at = None;
        self.health = 0;
        self.armour = Worn::default();
    }

    pub(super) fn renew_speed(&mut self, rules: &Rules, at_us: u64) {
        let speed = u64::from(rules.movement.speed_q_per_s) * self.speed_permille() / 1_000;
        self.motion.set_speed(&rules.movement, speed.min(1 << 21) as u32, at_us);
    }

    fn blame(&mut self, by: PlayerNo, damage: u32, tick: Tick) {
        match self.attackers.binary_search_by_key(&by, |known| known.by) {
            Ok(at) => {
                let known = &mut self.attackers[at];
                known.damage = known.damage.saturating_add(damage);
                known.last = tick;
            }
            Err(at) => self.attackers.insert(at, Contribution { by, damage, last: tick }),
        }
    }
}
