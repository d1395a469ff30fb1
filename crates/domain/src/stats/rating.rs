//! Skill ratings: a fold over the results of matches in the order in which they ended.

use std::collections::{BTreeMap, HashMap};

use skillratings::glicko2::{Glicko2Config, Glicko2Rating, decay_deviation, glicko2_rating_period};
use skillratings::weng_lin::{WengLinConfig, WengLinRating, weng_lin_multi_team};
use skillratings::{MultiTeamOutcome, Outcomes};

use super::{Board, Name, Place, Score};

/// A rating period of Glicko-2: for each that passes without a match, a deviation grows.
const PERIOD_US: i64 = 7 * 86_400_000_000;

/// Idle periods that are told apart; by then every deviation is at its largest.
const PERIODS_MAX: i64 = 1_000;

/// The deviation of somebody of whom nothing is known.
const DEVIATION_MAX: f64 = 350.0;

/// How a match ended, as far as ratings are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub match_id: Name,
    pub ended_us: i64,
    /// In the order of their names.
    pub sides: Vec<Side>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// 1 is the best; sides with equal places have drawn.
    pub place: u32,
    /// In the order of their ids.
    pub players: Vec<Name>,
}

/// What is believed of a player.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skill {
    pub rating: f64,
    pub deviation: f64,
    pub volatility: f64,
    /// The Weng-Lin (OpenSkill) mean and its uncertainty.
    pub mu: f64,
    pub sigma: f64,
    pub matches: u64,
    /// End of the last match; the beginning of time before the first.
    pub rated_us: i64,
}

impl Default for Skill {
    fn default() -> Self {
        let (glicko, weng_lin) = (Glicko2Rating::new(), WengLinRating::new());
        Self {
            rating: glicko.rating,
            deviation: glicko.deviation,
            volatility: glicko.volatility,
            mu: weng_lin.rating,
            sigma: weng_lin.uncertainty,
            matches: 0,
            rated_us: i64::MIN,
        }
    }
}

impl Skill {
    fn glicko(&self) -> Glicko2Rating {
        Glicko2Rating {
            rating: self.rating,
            deviation: self.deviation,
            volatility: self.volatility,
        }
    }

    fn weng_lin(&self) -> WengLinRating {
        WengLinRating { rating: self.mu, uncertainty: self.sigma }
    }

    /// As it is believed at an instant: without matches, certainty fades.
    #[must_use]
    pub fn at(&self, now_us: i64) -> Self {
        let periods = now_us.saturating_sub(self.rated_us) / PERIOD_US;
        if self.matches == 0 || periods <= 0 {
            return *self;
        }
        let mut faded = self.glicko();
        for _ in 0..periods.min(PERIODS_MAX) {
            faded = decay_deviation(&faded);
        }
        Self { deviation: faded.deviation.min(DEVIATION_MAX), ..*self }
    }

    /// What a board is ordered by: the rating that is hardly ever too high, in thousandths.
    fn cautious_milli(&self) -> u64 {
        ((self.rating - 2.0 * self.deviation).max(0.0) * 1_000.0) as u64
    }
}

type Key = (i64, Name);

/// A result that was rated, and what its players were before.
#[derive(Debug)]
struct Done {
    key: Key,
    before: Vec<(Name, Option<Skill>)>,
}

/// Everybody's skills. Results may come in any order and may be amended or taken back: what was rated
/// after them is undone and rated anew, so that the ratings are those of the results in order.
#[derive(Debug, Default)]
pub struct Ratings {
    outcomes: BTreeMap<Key, Outcome>,
    ended: HashMap<Name, i64>,
    skills: HashMap<Name, Skill>,
    done: Vec<Done>,
    board: Board,
}

impl Ratings {
    /// Sets the result of a match, in the place of what it was before.
    pub fn set(&mut self, match_id: &Name, outcome: Option<Outcome>) {
        if let Some(ended_us) = self.ended.get(match_id).copied() {
            let key = (ended_us, match_id.clone());
            if self.outcomes.get(&key) == outcome.as_ref() {
                return;
            }
            self.undo(&key);
            self.outcomes.remove(&key);
            self.ended.remove(match_id);
        }
        if let Some(outcome) = outcome {
            let key = (outcome.ended_us, match_id.clone());
            self.undo(&key);
            self.ended.insert(match_id.clone(), outcome.ended_us);
            self.outcomes.insert(key, outcome);
        }
    }

    /// Takes back every rating from a key on.
    fn undo(&mut self, key: &Key) {
        while let Some(done) = self.done.pop_if(|done| done.key >= *key) {
            for (name, skill) in done.before {
                self.believe(name, skill);
            }
        }
    }

    fn believe(&mut self, name: Name, skill: Option<Skill>) {
        let place = |skill: &Skill| Place {
            score: Score { numerator: skill.cautious_milli(), denominator: 1_000 },
            reached_us: skill.rated_us,
            player: name.clone(),
        };
        if let Some(old) = self.skills.get(&name) {
            let old = place(old);
            self.board.remove(&old);
        }
        match skill {
            Some(skill) => {
                self.board.insert(place(&skill));
                self.skills.insert(name, skill);
            }
            None => {
                self.skills.remove(&name);
            }
        }
    }

    /// Rates what is not rated yet.
    pub fn settle(&mut self) {
        let from = match self.done.last() {
            Some(done) => std::ops::Bound::Excluded(done.key.clone()),
            None => std::ops::Bound::Unbounded,
        };
        let todo: Vec<_> = self
            .outcomes
            .range((from, std::ops::Bound::Unbounded))
            .map(|(key, outcome)| (key.clone(), outcome.clone()))
            .collect();
        for (key, outcome) in todo {
            let after = rate(&outcome, |name| self.skills.get(name).copied().unwrap_or_default());
            let mut before = Vec::with_capacity(after.len());
            for (name, skill) in after {
                before.push((name.clone(), self.skills.get(&name).copied()));
                self.believe(name, Some(skill));
            }
            self.done.push(Done { key, before });
        }
    }

    pub fn skill(&self, player: &str) -> Option<&Skill> {
        self.skills.get(player)
    }

    /// Players by the rating that they hardly ever fall short of.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// A player's place on the board.
    pub fn place(&self, player: &str) -> Option<Place> {
        let (name, skill) = self.skills.get_key_value(player)?;
        Some(Place {
            score: Score { numerator: skill.cautious_milli(), denominator: 1_000 },
            reached_us: skill.rated_us,
            player: name.clone(),
        })
    }

    pub fn rated_matches(&self) -> usize {
        self.outcomes.len()
    }
}

/// The skills of all players of a match after it.
fn rate(outcome: &Outcome, skill: impl Fn(&Name) -> Skill) -> Vec<(Name, Skill)> {
    let ended_us = outcome.ended_us;
    let sides: Vec<Vec<Skill>> = outcome
        .sides
        .iter()
        .map(|side| side.players.iter().map(|name| skill(name).at(ended_us)).collect())
        .collect();
    let weng_lin: Vec<Vec<WengLinRating>> =
        sides.iter().map(|side| side.iter().map(Skill::weng_lin).collect()).collect();
    let ranked: Vec<_> = weng_lin
        .iter()
        .zip(&outcome.sides)
        .map(|(players, side)| (&players[..], MultiTeamOutcome::new(side.place as usize)))
        .collect();
    let weng_lin = weng_lin_multi_team(&ranked, &WengLinConfig::new());
    let teams: Vec<Glicko2Rating> = sides.iter().map(|side| together(side)).collect();

    let mut after = Vec::new();
    for (at, side) in outcome.sides.iter().enumerate() {
        let results: Vec<_> = outcome
            .sides
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(other, opponent)| (teams[other], result(side.place, opponent.place)))
            .collect();
        for (index, name) in side.players.iter().enumerate() {
            let before = sides[at][index];
            let glicko = glicko2_rating_period(&before.glicko(), &results, &Glicko2Config::new());
            let skill = Skill {
                rating: glicko.rating,
                deviation: glicko.deviation,
                volatility: glicko.volatility,
                mu: weng_lin[at][index].rating,
                sigma: weng_lin[at][index].uncertainty,
                matches: before.matches + 1,
                rated_us: ended_us,
            };
            after.push((name.clone(), if skill.is_finite() { skill } else { before }));
        }
    }
    after
}

impl Skill {
    fn is_finite(&self) -> bool {
        [self.rating, self.deviation, self.volatility, self.mu, self.sigma]
            .iter()
            .all(|n| n.is_finite())
    }
}

/// A side as one opponent: the mean of its ratings, and the root mean square of their deviations.
fn together(side: &[Skill]) -> Glicko2Rating {
    let count = side.len().max(1) as f64;
    let rating = side.iter().map(|skill| skill.rating).sum::<f64>() / count;
    let square = side.iter().map(|skill| skill.deviation * skill.deviation).sum::<f64>() / count;
    Glicko2Rating { rating, deviation: square.sqrt(), volatility: 0.06 }
}

fn result(own: u32, other: u32) -> Outcomes {
    match own.cmp(&other) {
        std::cmp::Ordering::Less => Outcomes::WIN,
        std::cmp::Ordering::Equal => Outcomes::DRAW,
        std::cmp::Ordering::Greater => Outcomes::LOSS,
    }
}

#[cfg(test)]
mod tests;
