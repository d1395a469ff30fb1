//! What is counted of a player.

use super::codec::{Reader, Truncated, Writer};

/// How a figure of several matches comes from those of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    Sum,
    Max,
}

macro_rules! figures {
    ($($variant:ident, $name:literal, $merge:ident;)+) => {
        /// One counted number of a player. The order is that of the stored form: new ones go to the end.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Figure { $($variant,)+ }

        impl Figure {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub const fn merge(self) -> Merge {
                match self { $(Self::$variant => Merge::$merge,)+ }
            }
        }
    };
}

figures! {
    Kills, "kills", Sum;
    Deaths, "deaths", Sum;
    Assists, "assists", Sum;
    TeamKills, "team_kills", Sum;
    Suicides, "suicides", Sum;
    HeadshotKills, "headshot_kills", Sum;
    DamageDealt, "damage_dealt", Sum;
    DamageTaken, "damage_taken", Sum;
    TeamDamage, "team_damage", Sum;
    Overkill, "overkill_damage", Sum;
    ShotsFired, "shots_fired", Sum;
    ShotsHit, "shots_hit", Sum;
    HeadshotHits, "headshot_hits", Sum;
    BestStreak, "best_streak", Max;
    DoubleKills, "double_kills", Sum;
    TripleKills, "triple_kills", Sum;
    QuadraKills, "quadra_kills", Sum;
    PentaKills, "penta_kills", Sum;
    TradeKills, "trade_kills", Sum;
    TradedDeaths, "traded_deaths", Sum;
    OpeningKills, "opening_kills", Sum;
    OpeningDeaths, "opening_deaths", Sum;
    RoundsPlayed, "rounds_played", Sum;
    RoundsWon, "rounds_won", Sum;
    RoundsSurvived, "rounds_survived", Sum;
    KastRounds, "kast_rounds", Sum;
    RoundKills, "round_kills", Sum;
    Clutches, "clutches", Sum;
    ClutchesWon, "clutches_won", Sum;
    Distance, "distance", Sum;
    ItemsUsed, "items_used", Sum;
    Objectives, "objectives", Sum;
    ObjectivePoints, "objective_points", Sum;
    TimePlayed, "time_played", Sum;
    TimeAlive, "time_alive", Sum;
    MatchesPlayed, "matches_played", Sum;
    MatchesWon, "matches_won", Sum;
}

/// Number of figures.
pub(super) const COUNT: usize = Figure::ALL.len();

/// All figures of a player, each with the time of the event that brought it to its value: who reached
/// a value first is ahead of who reached it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    values: [u64; COUNT],
    reached_us: [i64; COUNT],
}

impl Default for Figures {
    fn default() -> Self {
        Self { values: [0; COUNT], reached_us: [i64::MIN; COUNT] }
    }
}

impl Figures {
    pub fn get(&self, figure: Figure) -> u64 {
        self.values[figure as usize]
    }

    /// When the figure came to its value; the beginning of time for one that never changed.
    pub fn reached_us(&self, figure: Figure) -> i64 {
        self.reached_us[figure as usize]
    }

    /// Sums stop at the largest number instead of starting anew.
    pub(super) fn add(&mut self, figure: Figure, amount: u64, at_us: i64) {
        self.set(figure, self.get(figure).saturating_add(amount), at_us);
    }

    pub(super) fn set(&mut self, figure: Figure, value: u64, at_us: i64) {
        if self.values[figure as usize] != value {
            self.values[figure as usize] = value;
            self.reached_us[figure as usize] = at_us;
        }
    }

    /// Takes another match's figures in.
    pub fn merge(&mut self, other: &Self) {
        for &figure in Figure::ALL {
            let at = figure as usize;
            let (mine, theirs) = (self.values[at], other.values[at]);
            match figure.merge() {
                Merge::Sum if theirs > 0 => {
                    self.values[at] = mine.saturating_add(theirs);
                    self.reached_us[at] = self.reached_us[at].max(other.reached_us[at]);
                }
                Merge::Max if theirs > mine => {
                    self.values[at] = theirs;
                    self.reached_us[at] = other.reached_us[at];
                }
                Merge::Max if theirs == mine && theirs > 0 => {
                    self.reached_us[at] = self.reached_us[at].min(other.reached_us[at]);
                }
                Merge::Sum | Merge::Max => {}
            }
        }
    }

    /// Takes one match's figures in the place of what it had before. Answers false, and leaves something
    /// that has to be summed up anew, where what is left cannot be told without the other matches.
    #[must_use]
    pub(super) fn replace(&mut self, old: Option<&Self>, new: &Self) -> bool {
        let Some(old) = old else {
            self.merge(new);
            return true;
        };
        Figure::ALL.iter().all(|figure| self.replace_one(*figure, old, new))
    }

    fn replace_one(&mut self, figure: Figure, old: &Self, new: &Self) -> bool {
        let at = figure as usize;
        let (old_value, new_value) = (old.values[at], new.values[at]);
        let (old_us, new_us) = (old.reached_us[at], new.reached_us[at]);
        if (old_value, old_us) == (new_value, new_us) {
            return true;
        }
        let grows = new_value >= old_value && new_us >= old_us && self.values[at] < u64::MAX;
        match figure.merge() {
            Merge::Sum if grows => {
                let Some(others) = self.values[at].checked_sub(old_value) else { return false };
                self.values[at] = others.saturating_add(new_value);
                self.reached_us[at] = self.reached_us[at].max(new_us);
                true
            }
            Merge::Max if grows && new_value > self.values[at] => {
                (self.values[at], self.reached_us[at]) = (new_value, new_us);
                true
            }
            Merge::Max if grows && new_value < self.values[at] => true,
            Merge::Sum | Merge::Max => false,
        }
    }

    /// Only what is not zero is written, times as their distance from one that is known.
    pub fn put(&self, out: &mut Writer, base_us: i64) {
        out.u64(self.values.iter().filter(|value| **value > 0).count() as u64);
        for (at, value) in self.values.iter().enumerate().filter(|(_, value)| **value > 0) {
            out.u64(at as u64);
            out.u64(*value);
            out.i64(self.reached_us[at].wrapping_sub(base_us));
        }
    }

    pub fn take(from: &mut Reader<'_>, base_us: i64) -> Result<Self, Truncated> {
        let mut figures = Self::default();
        for _ in 0..from.count()? {
            let at = usize::from(from.u16()?);
            *figures.values.get_mut(at).ok_or(Truncated)? = from.u64()?;
            figures.reached_us[at] = from.i64()?.wrapping_add(base_us);
        }
        Ok(figures)
    }
}
