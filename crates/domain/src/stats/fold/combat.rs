//! Kills, deaths, assists and damage.

use super::{Act, Listen, RecentKill};
use crate::stats::Figure;
use crate::stats::fact::{NOBODY, UNKNOWN, What};

/// A kill and a death of its victim within this time tell of one death.
const SAME_DEATH_US: i64 = 1_000_000;

/// Multi-kills by how many kills they have; the last also counts longer ones.
const MULTI_KILLS: [Figure; 4] =
    [Figure::DoubleKills, Figure::TripleKills, Figure::QuadraKills, Figure::PentaKills];

impl<L: Listen> Act<'_, L> {
    pub(super) fn kill(&mut self, victim: u16, weapon: u16, headshot: bool) {
        let killer = self.fact.actor;
        if victim == killer {
            // Killing oneself is a death and no kill.
            return self.death_told_by_kill(victim, killer);
        }
        if victim != NOBODY {
            self.hear_of(victim);
            if self.are_mates(killer, victim) {
                self.add(killer, Figure::TeamKills, 1);
                return self.death_told_by_kill(victim, killer);
            }
        }
        self.add(killer, Figure::Kills, 1);
        if headshot {
            self.add(killer, Figure::HeadshotKills, 1);
        }
        if weapon != NOBODY {
            let figures = self.player(killer).weapon(weapon);
            figures.kills += 1;
            figures.headshot_kills += u64::from(headshot);
        }
        self.lengthen_streak(killer);
        self.lengthen_chain(killer);
        self.kill_in_round(killer, victim);
        self.trade(killer, victim);
        if victim != NOBODY {
            self.death_told_by_kill(victim, killer);
        }
    }

    /// A kill says that its victim died, unless a death has said so already.
    fn death_told_by_kill(&mut self, victim: u16, killer: u16) {
        let now_us = self.fact.time_us;
        let player = self.player(victim);
        let told = player.stated.is_some_and(|(at_us, by)| {
            now_us - at_us <= SAME_DEATH_US && (by == killer || by == NOBODY)
        });
        if told {
            player.stated = None;
            return;
        }
        player.implied = Some((now_us, killer));
        self.die(victim, killer);
    }

    pub(super) fn death(&mut self, killer: u16, _weapon: u16) {
        let (victim, now_us) = (self.fact.actor, self.fact.time_us);
        let player = self.player(victim);
        let told = player.implied.is_some_and(|(at_us, by)| {
            now_us - at_us <= SAME_DEATH_US && (by == killer || killer == NOBODY)
        });
        if told {
            player.implied = None;
            return;
        }
        player.stated = Some((now_us, killer));
        self.die(victim, killer);
    }

    fn die(&mut self, victim: u16, killer: u16) {
        self.add(victim, Figure::Deaths, 1);
        if killer == victim || killer == NOBODY {
            self.add(victim, Figure::Suicides, 1);
        }
        let player = self.player(victim);
        player.alive = false;
        player.streak = 0;
        player.chain = (0, 0);
        player.place = None;
        player.health = None;
        self.death_in_round(victim);
    }

    pub(super) fn assist(&mut self) {
        let actor = self.fact.actor;
        self.add(actor, Figure::Assists, 1);
        self.player(actor).round.assisted = true;
    }

    fn lengthen_streak(&mut self, killer: u16) {
        let player = self.player(killer);
        player.streak += 1;
        let (streak, best) = (player.streak, player.figures.get(Figure::BestStreak));
        if streak > best {
            self.set(killer, Figure::BestStreak, streak);
        }
    }

    /// A multi-kill is counted once, by its length: when it grows, it moves up.
    fn lengthen_chain(&mut self, killer: u16) {
        let (now_us, gap_us) = (self.fact.time_us, self.rules.multi_kill_gap_us);
        let player = self.player(killer);
        let (kills, last_us) = player.chain;
        let kills = if kills > 0 && now_us - last_us <= gap_us { kills + 1 } else { 1 };
        player.chain = (kills, now_us);
        let counted =
            |kills: u64| (2..=5).contains(&kills).then(|| MULTI_KILLS[kills as usize - 2]);
        let Some(figure) = counted(kills) else { return };
        if let Some(shorter) = counted(kills - 1) {
            let fewer = self.player(killer).figures.get(shorter) - 1;
            self.set(killer, shorter, fewer);
        }
        self.add(killer, figure, 1);
    }

    /// The victim has killed a mate of the killer a moment ago: those deaths are avenged. All kills of
    /// the window are looked at, not only the last.
    fn trade(&mut self, killer: u16, victim: u16) {
        let (now_us, window_us) = (self.fact.time_us, self.rules.trade_window_us);
        while self.fold.recent.front().is_some_and(|kill| now_us - kill.time_us > window_us) {
            self.fold.recent.pop_front();
        }
        let mut avenged = Vec::new();
        for at in 0..self.fold.recent.len() {
            let kill = self.fold.recent[at];
            if victim != NOBODY
                && kill.killer == victim
                && !kill.traded
                && self.are_mates(killer, kill.victim)
            {
                self.fold.recent[at].traded = true;
                avenged.push(kill.victim);
            }
        }
        if !avenged.is_empty() {
            self.add(killer, Figure::TradeKills, 1);
        }
        for mate in avenged {
            self.add(mate, Figure::TradedDeaths, 1);
            self.player(mate).round.traded = true;
        }
        if victim != NOBODY {
            let kill = RecentKill { time_us: now_us, killer, victim, traded: false };
            self.fold.recent.push_back(kill);
        }
    }

    pub(super) fn damage(&mut self) {
        let What::Damage { target, weapon, headshot, has_shot, milli, health, shot } =
            self.fact.what
        else {
            return;
        };
        let (actor, now_us) = (self.fact.actor, self.fact.time_us);
        let counted = self.counted(target, milli, health);
        if target != NOBODY && target != actor {
            self.hear_of(target);
        }
        if target != NOBODY {
            self.add(target, Figure::DamageTaken, counted.into());
        }
        if target == actor {
            return;
        }
        if target != NOBODY && self.are_mates(actor, target) {
            return self.add(actor, Figure::TeamDamage, counted.into());
        }
        self.add(actor, Figure::DamageDealt, counted.into());
        self.add(actor, Figure::Overkill, u64::from(milli - counted));
        let is_hit = !has_shot || self.player(actor).is_new_shot(shot, now_us);
        if is_hit {
            self.add(actor, Figure::ShotsHit, 1);
        }
        if is_hit && headshot {
            self.add(actor, Figure::HeadshotHits, 1);
        }
        if weapon != NOBODY {
            let figures = self.player(actor).weapon(weapon);
            figures.damage_milli += u64::from(counted);
            figures.shots_hit += u64::from(is_hit);
            figures.headshot_hits += u64::from(is_hit && headshot);
        }
    }

    /// Damage beyond the health of the target is none. Of hits at one time, the later ones meet what the
    /// earlier ones have left, whatever they say.
    fn counted(&mut self, target: u16, milli: u32, health: u32) -> u32 {
        if target == NOBODY || health == UNKNOWN {
            return milli;
        }
        let now_us = self.fact.time_us;
        let player = self.player(target);
        let left = match player.health {
            Some((at_us, left)) if at_us == now_us => health.min(left),
            _ => health,
        };
        let counted = milli.min(left);
        player.health = Some((now_us, left - counted));
        counted
    }
}
