//! A player in the fold: his figures and what the next ones depend on.

use super::{Act, Fold, Listen};
use crate::stats::fact::{Fact, NOBODY};
use crate::stats::{Figure, Figures};

/// Nothing heard of a player for longer than this is taken for absence: a wrong clock must not give
/// anybody years of playing time.
const SILENCE_US_MAX: i64 = 300_000_000;

/// Hits of one shot come within this time of its first.
const SHOT_US_MAX: i64 = 2_000_000;

/// Shots whose hits can be told apart at one time.
const SHOTS_MAX: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct Player {
    pub(crate) figures: Figures,
    /// By the number of the weapon.
    pub(crate) weapons: Vec<(u16, WeaponFigures)>,
    pub(crate) team: u16,
    pub(crate) present: bool,
    pub(crate) alive: bool,
    pub(crate) streak: u64,
    pub(crate) round: InRound,
    pub(super) heard_us: Option<i64>,
    /// Kills of the multi-kill that may still go on, and the time of its last.
    pub(super) chain: (u64, i64),
    pub(super) place: Option<[i32; 3]>,
    /// The hit before in this life: its time, and what it left.
    pub(super) health: Option<(i64, u32)>,
    /// A death that only a kill has told of, or only a death: its time and killer.
    pub(super) implied: Option<(i64, u16)>,
    pub(super) stated: Option<(i64, u16)>,
    shots: Vec<(u64, i64)>,
}

/// What the open round needs to know of a player.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InRound {
    pub(crate) acted: bool,
    pub(crate) kills: u64,
    pub(crate) assisted: bool,
    pub(crate) died: bool,
    pub(crate) traded: bool,
    /// Was the last of his team, against so many.
    pub(crate) clutch: u64,
}

/// What a player did with one weapon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeaponFigures {
    pub kills: u64,
    pub headshot_kills: u64,
    pub damage_milli: u64,
    pub shots_fired: u64,
    pub shots_hit: u64,
    pub headshot_hits: u64,
}

impl Default for Player {
    fn default() -> Self {
        Self {
            figures: Figures::default(),
            weapons: Vec::new(),
            team: NOBODY,
            present: false,
            alive: false,
            streak: 0,
            round: InRound::default(),
            heard_us: None,
            chain: (0, 0),
            place: None,
            health: None,
            implied: None,
            stated: None,
            shots: Vec::new(),
        }
    }
}

impl Player {
    pub(super) fn weapon(&mut self, weapon: u16) -> &mut WeaponFigures {
        let at = match self.weapons.binary_search_by_key(&weapon, |(number, _)| *number) {
            Ok(at) => at,
            Err(at) => {
                self.weapons.insert(at, (weapon, WeaponFigures::default()));
                at
            }
        };
        &mut self.weapons[at].1
    }

    /// Whether this is the first hit of the shot.
    pub(super) fn is_new_shot(&mut self, shot: u64, now_us: i64) -> bool {
        self.shots.retain(|(_, at_us)| now_us - at_us <= SHOT_US_MAX);
        if self.shots.iter().any(|(known, _)| *known == shot) {
            return false;
        }
        if self.shots.len() == SHOTS_MAX {
            self.shots.remove(0);
        }
        self.shots.push((shot, now_us));
        true
    }

    /// When something was heard of him last.
    pub(crate) fn heard_us(&self) -> Option<i64> {
        self.heard_us
    }

    pub(crate) fn has_played(&self) -> bool {
        self.heard_us.is_some()
    }

    /// Whether the round that is open, or the match that has none, would count for him as it stands.
    pub(crate) fn kast(&self) -> bool {
        let round = &self.round;
        round.kills > 0 || round.assisted || round.traded || self.survives()
    }

    pub(crate) fn survives(&self) -> bool {
        self.present && !self.round.died
    }
}

impl Fold {
    /// Something is heard of a player: he is here, and time has passed for him.
    pub(super) fn hear(&mut self, actor: u16, fact: &Fact, listen: &mut impl Listen) {
        let (present, alive, heard) = {
            let player = &self.players[usize::from(actor)];
            (player.present, player.alive, player.heard_us)
        };
        let rules = super::Rules::default();
        let mut act = Act { fold: self, fact, rules: &rules, listen };
        act.pass_time(actor, present, alive, heard);
        let player = act.player(actor);
        player.heard_us = Some(fact.time_us);
        player.round.acted = true;
        if !present {
            player.present = true;
            player.alive = true;
            player.place = None;
        }
        if heard.is_none() {
            act.add(actor, Figure::MatchesPlayed, 1);
        }
    }
}

impl<L: Listen> Act<'_, L> {
    /// Time since something was heard of the player before.
    fn pass_time(&mut self, actor: u16, present: bool, alive: bool, heard: Option<i64>) {
        let Some(heard) = heard.filter(|_| present) else { return };
        let passed_us = (self.fact.time_us - heard).min(SILENCE_US_MAX) as u64;
        self.add(actor, Figure::TimePlayed, passed_us);
        if alive {
            self.add(actor, Figure::TimeAlive, passed_us);
        }
    }

    /// What somebody else does tells of a player too.
    pub(super) fn hear_of(&mut self, player: u16) {
        let (fact, fold) = (self.fact, &mut *self.fold);
        fold.hear(player, fact, self.listen);
    }

    pub(super) fn join(&mut self, team: u16) {
        let actor = self.fact.actor;
        let player = self.player(actor);
        if team != NOBODY {
            player.team = team;
        }
    }

    pub(super) fn leave(&mut self) {
        let actor = self.fact.actor;
        let player = self.player(actor);
        player.present = false;
        player.alive = false;
        player.place = None;
    }

    pub(super) fn spawn(&mut self) {
        let actor = self.fact.actor;
        if actor != NOBODY {
            let player = self.player(actor);
            player.alive = true;
            player.place = None;
            player.health = None;
        }
    }

    /// The straight line from his last place in this life.
    pub(super) fn position(&mut self, mm: [i32; 3]) {
        let actor = self.fact.actor;
        let before = self.player(actor).place.replace(mm);
        self.revive();
        if let Some(before) = before {
            self.add(actor, Figure::Distance, distance_mm(before, mm));
        }
    }

    pub(super) fn item_use(&mut self, item: u16, quantity: u32, shots: u32) {
        let actor = self.fact.actor;
        self.revive();
        self.add(actor, Figure::ItemsUsed, quantity.into());
        self.add(actor, Figure::ShotsFired, shots.into());
        if item != NOBODY && shots > 0 {
            self.player(actor).weapon(item).shots_fired += u64::from(shots);
        }
    }

    pub(super) fn objective(&mut self, points: u32) {
        let actor = self.fact.actor;
        if actor != NOBODY {
            self.add(actor, Figure::Objectives, 1);
            self.add(actor, Figure::ObjectivePoints, points.into());
        }
    }

    /// Only the living move and use things.
    fn revive(&mut self) {
        let actor = self.fact.actor;
        if !self.fold.players[usize::from(actor)].alive {
            self.player(actor).alive = true;
        }
    }
}

fn distance_mm(from: [i32; 3], to: [i32; 3]) -> u64 {
    let square = |at: usize| {
        let difference = i128::from(to[at]) - i128::from(from[at]);
        (difference * difference) as u128
    };
    (square(0) + square(1) + square(2)).isqrt() as u64
}
