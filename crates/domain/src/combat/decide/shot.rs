//! D1 to D6: whether a shot leaves the weapon.

use super::{Judged, Turn};
use crate::combat::PlayerNo;
use crate::combat::command::Shot;
use crate::combat::content::{Delivery, Weapon};
use crate::combat::event::{Event, Fired, ShotRefused};
use crate::combat::session::{Answer, CLIENT_US_MAX, Life, Numbered, PROJECTILES_MAX, Player};
use crate::combat::verdict::{Evidence, Reason, ShotEvidence, Status, Verdict};

/// Microseconds per minute.
const MINUTE_US: u64 = 60_000_000;

/// How long before a shot the last move may lie for the shooter to have gone on since, as far as it
/// counts.
const SINCE_MOVE_MAX_US: u64 = 100_000;

impl Turn<'_> {
    pub(super) fn shoot(&mut self, shot: &Shot) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        let player = self.present(shot.player)?;
        // Before any arithmetic.
        let possible = shot.origin.is_in_world() && shot.look.is_valid();
        if !possible || shot.client_us >= CLIENT_US_MAX {
            return Err(Verdict::of(Reason::Malformed));
        }
        let mut evidence =
            ShotEvidence { seq: shot.seq, tick: self.session.tick, ..ShotEvidence::default() };
        match player.shots.classify(shot.seq) {
            Numbered::New => {}
            Numbered::Repeated(answer) => {
                return Err(Verdict::with(Reason::Duplicate, Evidence::Shot(repeated(&answer))));
            }
            Numbered::Old => {
                return Err(Verdict::with(Reason::Stale, Evidence::Shot(evidence)));
            }
            Numbered::Impossible => {
                return Err(Verdict::with(Reason::Sequence, Evidence::Shot(evidence)));
            }
        }
        match self.judge_shot(shot, &mut evidence) {
            Ok(weapon) => Ok(self.fire(shot, weapon, evidence)),
            Err(reason) => {
                let verdict = Verdict::with(reason, Evidence::Shot(evidence));
                let refused = ShotRefused { input: *shot, verdict };
                self.emit(Event::ShotRefused(Box::new(refused)));
                Err(verdict)
            }
        }
    }

    fn judge_shot(&self, shot: &Shot, evidence: &mut ShotEvidence) -> Result<usize, Reason> {
        let rules = &self.session.created.rules;
        let Some(player) = self.session.player(shot.player) else {
            return Err(Reason::UnknownPlayer);
        };
        let clock = player.motion.clock.measure(&rules.movement, shot.client_us, self.at_us);
        evidence.client_us = shot.client_us;
        self.judge_life(player, shot)?;
        let weapon = self.judge_weapon(player, shot, evidence)?;
        if clock.late_us > i64::from(rules.rewind.shot_age_max_ms) * 1_000 {
            return Err(Reason::ViewTime);
        }
        if clock.ahead_us > clock.ahead_max_us {
            return Err(Reason::ShotTime);
        }
        self.judge_view(player, shot, evidence)?;
        let data = &self.content.weapons[weapon];
        self.judge_muzzle(player, shot, data, evidence)?;
        if matches!(data.delivery, Delivery::Projectile(_))
            && self.session.projectiles.len() >= PROJECTILES_MAX
        {
            return Err(Reason::TooManyProjectiles);
        }
        Ok(weapon)
    }

    /// D2: alive; or fired before the shooter can have known of his death: he had not acknowledged a
    /// frame of a later tick. Then two players can kill each other, and it makes no difference whose
    /// shot arrives first.
    fn judge_life(&self, player: &Player, shot: &Shot) -> Result<(), Reason> {
        let rules = &self.session.created.rules.damage;
        match player.life {
            Life::Alive if player.is_stunned() => Err(Reason::Stunned),
            Life::Alive => Ok(()),
            Life::Dead { at_us, tick, .. }
                if rules.trades
                    && !player.weapons.is_empty()
                    && shot.acked <= tick
                    && self.at_us - at_us <= u64::from(rules.trade_ms) * 1_000 =>
            {
                Ok(())
            }
            Life::Dead { .. } | Life::Waiting => Err(Reason::Dead),
        }
    }

    /// D2 and D3: the weapon in the hands, loaded, and not too soon. Its index in the content.
    fn judge_weapon(
        &self,
        player: &Player,
        shot: &Shot,
        evidence: &mut ShotEvidence,
    ) -> Result<usize, Reason> {
        let carried = player.in_hands().filter(|_| player.slot == shot.slot);
        let carried = carried.ok_or(Reason::NotEquipped)?;
        let number = usize::from(carried.weapon.0);
        if number >= self.content.weapons.len() {
            return Err(Reason::NotEquipped);
        }
        evidence.rounds_left = carried.rounds;
        if self.session.tick < player.equipped_at {
            return Err(Reason::Equipping);
        }
        if player.reloaded_at.is_some() {
            return Err(Reason::Reloading);
        }
        if carried.rounds == 0 {
            return Err(Reason::MagazineEmpty);
        }
        let slack = u64::from(self.session.created.rules.damage.rate_slack_us);
        evidence.ready_us = carried.next_us.saturating_sub(slack);
        if shot.client_us < evidence.ready_us {
            return Err(Reason::Rate);
        }
        evidence.rounds_left = carried.rounds - 1;
        Ok(number)
    }

    /// D4: what the shooter saw lies between what he had acknowledged, less what he draws behind it,
    /// and what had been written to his socket; never further back than the rules go, and never before
    /// what he saw last. An older claim is moved up to that; a newer one is a lie.
    fn judge_view(
        &self,
        player: &Player,
        shot: &Shot,
        evidence: &mut ShotEvidence,
    ) -> Result<(), Reason> {
        let rules = &self.session.created.rules;
        let now = self.session.tick;
        let written = shot.written.min(now);
        let acked = shot.acked.min(written);
        let back = |from: u32, ms: u32| u64::from(from.saturating_sub(rules.ticks(ms))) << 8;
        let oldest = self.session.history.oldest().unwrap_or(now);
        evidence.view_claimed_q8 = shot.view_q8;
        evidence.view_min_q8 = back(acked.0, rules.rewind.interpolation_max_ms)
            .max(back(now.0, rules.rewind.rewind_max_ms))
            .max(u64::from(oldest.0) << 8)
            .max(player.view_q8);
        evidence.view_max_q8 = u64::from(written.0) << 8;
        evidence.view_q8 = shot.view_q8.max(evidence.view_min_q8);
        let too_old = back(now.0, rules.rewind.shot_age_max_ms);
        if shot.view_q8 > evidence.view_max_q8 || shot.view_q8 < too_old {
            return Err(Reason::ViewTime);
        }
        Ok(())
    }

    /// D5 and D6: the muzzle is at the shooter's eye, no wall between them, and points where he looks.
    fn judge_muzzle(
        &self,
        player: &Player,
        shot: &Shot,
        weapon: &Weapon,
        evidence: &mut ShotEvidence,
    ) -> Result<(), Reason> {
        let rules = &self.session.created.rules;
        let eye = player.pose.position.raised(self.content.body.hull(player.pose.stance).eye_q);
        let tick_us = u64::from(rules.tick_us());
        let since_us = match player.motion.moved_us {
            Some(moved_us) => {
                shot.client_us.saturating_sub(moved_us).clamp(tick_us, SINCE_MOVE_MAX_US)
            }
            None => tick_us,
        };
        let walked = u64::from(player.motion.speed_max(self.at_us)) * since_us / 1_000_000;
        evidence.origin_distance_q = shot.origin.minus(eye).length_q();
        evidence.origin_max_q =
            i64::from(weapon.muzzle_q) + walked as i64 + i64::from(rules.movement.rounding_q);
        if evidence.origin_distance_q > evidence.origin_max_q {
            return Err(Reason::Origin);
        }
        let geometry = self.content.geometry(self.session.created.map);
        if shot.origin != eye && !geometry.sees(eye, shot.origin) {
            return Err(Reason::Origin);
        }
        // Who has said nothing of himself since he was placed may look anywhere by now.
        let turning_us =
            if player.motion.moved_us.is_some() { since_us } else { SINCE_MOVE_MAX_US };
        let turned = u64::from(rules.movement.turn_per_s) * turning_us / 1_000_000;
        evidence.aim_max = u32::from(weapon.spread)
            + u32::from(weapon.recoil)
            + rules.damage.aim_slack
            + turned as u32;
        if shot.look.direction().is_within(player.pose.look.direction(), evidence.aim_max) {
            Ok(())
        } else {
            Err(Reason::Aim)
        }
    }

    /// The shot leaves the weapon.
    fn fire(&mut self, shot: &Shot, weapon: usize, mut evidence: ShotEvidence) -> Verdict {
        let data = &self.content.weapons[weapon];
        let next_us = {
            let player = self.session.player(shot.player);
            let known = player.and_then(Player::in_hands).map_or(0, |weapon| weapon.next_us);
            known.max(shot.client_us) + MINUTE_US / u64::from(data.rounds_per_minute.max(1))
        };
        let number = crate::combat::WeaponNo(weapon as u16);
        let volley = match &data.delivery {
            Delivery::Ray => self.trace(shot, data, number, &mut evidence),
            Delivery::Projectile(_) => super::hits::Volley::launched(),
        };
        let verdict = Verdict::with(volley.reason, Evidence::Shot(evidence));
        let fired = Fired { input: *shot, weapon: number, next_us, verdict };
        self.emit(Event::Fired(Box::new(fired)));
        match &data.delivery {
            Delivery::Ray => self.land(shot.player, number, shot.seq, &volley),
            Delivery::Projectile(spec) => self.launch(shot, number, spec),
        }
        verdict
    }

    pub(super) fn reload(&mut self, number: PlayerNo) -> Judged<Verdict> {
        let player = self.able(number)?;
        if let Some(ready_at) = player.reloaded_at {
            return Err(Verdict::with(Reason::AlreadyDone, Evidence::Ready(ready_at)));
        }
        if self.session.tick < player.equipped_at {
            return Err(Verdict::with(Reason::Equipping, Evidence::Ready(player.equipped_at)));
        }
        let Some(weapon) = player.in_hands() else {
            return Err(Verdict::of(Reason::NotEquipped));
        };
        if weapon.rounds >= weapon.magazine || weapon.reserve == 0 {
            return Err(Verdict::of(Reason::NothingToReload));
        }
        let data = self.content.weapons.get(usize::from(weapon.weapon.0));
        let ms = data.map_or(0, |data| data.reload_ms);
        let ready_at = self.session.tick.after(self.session.created.rules.ticks(ms));
        self.emit(Event::ReloadStarted { player: number, ready_at });
        Ok(Verdict::with(Reason::Accepted, Evidence::Ready(ready_at)))
    }

    pub(super) fn switch(&mut self, number: PlayerNo, slot: u8) -> Judged<Verdict> {
        let player = self.able(number)?;
        let Some(weapon) = player.weapons.get(usize::from(slot)) else {
            return Err(Verdict::of(Reason::NotEquipped));
        };
        if slot == player.slot {
            return Err(Verdict::with(Reason::AlreadyDone, Evidence::Ready(player.equipped_at)));
        }
        let data = self.content.weapons.get(usize::from(weapon.weapon.0));
        let ticks = self.session.created.rules.ticks(data.map_or(0, |data| data.equip_ms));
        let ready_at = self.session.tick.after(ticks);
        let speed_permille = data.map_or(1_000, |data| data.speed_permille);
        self.emit(Event::Switched { player: number, slot, ready_at, speed_permille });
        Ok(Verdict::with(Reason::Accepted, Evidence::Ready(ready_at)))
    }

    /// A player who is alive and not stunned, in an active session.
    pub(super) fn able(&self, number: PlayerNo) -> Judged<&Player> {
        self.require(&[Status::Active])?;
        let player = self.present(number)?;
        if !player.is_alive() {
            return Err(Verdict::of(Reason::Dead));
        }
        if player.is_stunned() {
            return Err(Verdict::of(Reason::Stunned));
        }
        Ok(player)
    }
}

fn repeated(answer: &Answer) -> ShotEvidence {
    ShotEvidence {
        seq: answer.seq,
        first: Some(answer.reason),
        tick: answer.ready_at,
        target: answer.target,
        part: answer.part,
        hits: answer.hits,
        damage: answer.damage,
        killed: answer.killed,
        ..ShotEvidence::default()
    }
}
