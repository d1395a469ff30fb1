//! What players are compared by: every figure by itself, and ratios of figures.

use super::{Figure, Figures, Score};

/// A number with a definition. Ratios are never stored: their two parts are.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub definition: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
    /// Raised when the definition changes.
    pub version: u32,
    pub unit: &'static str,
    /// Figures are whole numbers of this part of the unit: damage counts in thousandths.
    pub scale: u64,
    /// The figures that are added up.
    pub numerator: &'static [Figure],
    /// The figures that they are divided by; none for a plain figure.
    pub denominator: &'static [Figure],
    /// The least that is divided by. 0: without a denominator there is no value.
    pub floor: u64,
    /// So much of the denominator puts a player on the boards over all matches.
    pub samples_min: u64,
}

const OWN: &str = "gamemesh";
const POINTS: &str = "points";
const METRES: &str = "metres";
const SECONDS: &str = "seconds";
const MILLI: u64 = 1_000;
const MICRO: u64 = 1_000_000;

const fn plain(
    figure: &'static [Figure],
    name: &'static str,
    unit: &'static str,
    scale: u64,
    definition: &'static str,
) -> Metric {
    Metric {
        name,
        definition,
        source: OWN,
        version: 1,
        unit,
        scale,
        numerator: figure,
        denominator: &[],
        floor: 0,
        samples_min: 0,
    }
}

const fn count(figure: &'static [Figure], name: &'static str, definition: &'static str) -> Metric {
    plain(figure, name, "", 1, definition)
}

#[expect(clippy::too_many_arguments, reason = "a table row")]
const fn ratio(
    name: &'static str,
    numerator: &'static [Figure],
    denominator: &'static [Figure],
    unit: &'static str,
    scale: u64,
    floor: u64,
    samples_min: u64,
    source: &'static str,
    definition: &'static str,
) -> Metric {
    Metric {
        name,
        definition,
        source,
        version: 1,
        unit,
        scale,
        numerator,
        denominator,
        floor,
        samples_min,
    }
}

use Figure as F;

/// Every metric; the order is that of listings.
pub const METRICS: &[Metric] = &[
    count(&[F::Kills], "kills", "Opponents killed. Mates and oneself are no kills."),
    count(
        &[F::Deaths],
        "deaths",
        "Deaths by anybody and anything. A kill of a player and his death within 1 s are one death.",
    ),
    count(&[F::Assists], "assists", "Assist events."),
    count(&[F::TeamKills], "team_kills", "Mates killed."),
    count(&[F::Suicides], "suicides", "Deaths by oneself or by nobody."),
    count(&[F::HeadshotKills], "headshot_kills", "Kills by a hit of the head."),
    plain(
        &[F::DamageDealt],
        "damage_dealt",
        POINTS,
        MILLI,
        "Damage to opponents, up to the health that they had, where it is told.",
    ),
    plain(&[F::DamageTaken], "damage_taken", POINTS, MILLI, "Damage by anybody, oneself included."),
    plain(&[F::TeamDamage], "team_damage", POINTS, MILLI, "Damage to mates."),
    plain(
        &[F::Overkill],
        "overkill_damage",
        POINTS,
        MILLI,
        "Damage beyond the health of opponents.",
    ),
    count(&[F::ShotsFired], "shots_fired", "Shots of item_use events."),
    count(
        &[F::ShotsHit],
        "shots_hit",
        "Shots that hit an opponent; hits of one shot_id within 2 s are one. Damage without a shot_id is \
         one shot each.",
    ),
    count(&[F::HeadshotHits], "headshot_hits", "Shots that hit a head."),
    count(&[F::BestStreak], "best_streak", "Most kills between two deaths."),
    count(&[F::DoubleKills], "double_kills", "Multi-kills of exactly 2; see penta_kills."),
    count(&[F::TripleKills], "triple_kills", "Multi-kills of exactly 3."),
    count(&[F::QuadraKills], "quadra_kills", "Multi-kills of exactly 4."),
    count(
        &[F::PentaKills],
        "penta_kills",
        "Multi-kills of 5 or more: kills in one life, each at most 10 s after the one before, counted \
         once by their length.",
    ),
    count(
        &[F::TradeKills],
        "trade_kills",
        "Kills of an opponent who had killed a mate at most 5 s before.",
    ),
    count(&[F::TradedDeaths], "traded_deaths", "Deaths whose killer a mate killed within 5 s."),
    count(&[F::OpeningKills], "opening_kills", "First kills of rounds."),
    count(&[F::OpeningDeaths], "opening_deaths", "Deaths by the first kills of rounds."),
    count(
        &[F::RoundsPlayed],
        "rounds_played",
        "Rounds in which something was heard of the player, or at whose end he was present. A match \
         without rounds is one round.",
    ),
    count(&[F::RoundsWon], "rounds_won", "Rounds that the player's team won."),
    count(&[F::RoundsSurvived], "rounds_survived", "Rounds at whose end the player lived."),
    count(
        &[F::KastRounds],
        "kast_rounds",
        "Rounds with a kill, an assist, survival, or a death that was traded within 5 s.",
    ),
    count(&[F::RoundKills], "round_kills", "Kills within rounds, those of the warm-up left out."),
    count(&[F::Clutches], "clutches", "Rounds in which the player was the last of his team."),
    count(&[F::ClutchesWon], "clutches_won", "Clutches in rounds that were won."),
    plain(
        &[F::Distance],
        "distance",
        METRES,
        MILLI,
        "Straight lines between positions that follow each other in one life.",
    ),
    count(&[F::ItemsUsed], "items_used", "Quantities of item_use events."),
    count(&[F::Objectives], "objectives", "Objective events of the player."),
    count(&[F::ObjectivePoints], "objective_points", "Their points."),
    plain(
        &[F::TimePlayed],
        "time_played",
        SECONDS,
        MICRO,
        "Time between events of the player while he is present; each gap counts for at most 5 minutes.",
    ),
    plain(&[F::TimeAlive], "time_alive", SECONDS, MICRO, "The part of it in which he lived."),
    count(
        &[F::MatchesPlayed],
        "matches_played",
        "Matches in which something was heard of the player.",
    ),
    count(&[F::MatchesWon], "matches_won", "Matches that the player or his team won."),
    ratio(
        "kd_ratio",
        &[F::Kills],
        &[F::Deaths],
        "",
        1,
        1,
        5,
        OWN,
        "Kills for each death; without deaths, the kills.",
    ),
    ratio(
        "kda_ratio",
        &[F::Kills, F::Assists],
        &[F::Deaths],
        "",
        1,
        1,
        5,
        OWN,
        "Kills and assists for each death; without deaths, their sum.",
    ),
    ratio(
        "adr",
        &[F::DamageDealt],
        &[F::RoundsPlayed],
        "points a round",
        MILLI,
        0,
        5,
        "HLTV: average damage per round",
        "Damage dealt for each round played.",
    ),
    ratio(
        "kast",
        &[F::KastRounds],
        &[F::RoundsPlayed],
        "",
        1,
        0,
        5,
        "HLTV: share of rounds with a kill, assist, survival or trade; trade window 5 s",
        "Share of the rounds played that are kast_rounds.",
    ),
    ratio(
        "kills_per_round",
        &[F::RoundKills],
        &[F::RoundsPlayed],
        "",
        1,
        0,
        5,
        "HLTV: KPR",
        "Kills within rounds for each round played.",
    ),
    ratio(
        "survival",
        &[F::RoundsSurvived],
        &[F::RoundsPlayed],
        "",
        1,
        0,
        5,
        OWN,
        "Share of the rounds played that were survived.",
    ),
    ratio(
        "headshot_share",
        &[F::HeadshotKills],
        &[F::Kills],
        "",
        1,
        0,
        10,
        OWN,
        "Share of the kills that are headshot_kills.",
    ),
    ratio(
        "accuracy",
        &[F::ShotsHit],
        &[F::ShotsFired],
        "",
        1,
        0,
        20,
        OWN,
        "Share of the shots that hit.",
    ),
    ratio(
        "opening_success",
        &[F::OpeningKills],
        &[F::OpeningKills, F::OpeningDeaths],
        "",
        1,
        0,
        5,
        OWN,
        "Share of the opening duels that were won.",
    ),
    ratio(
        "win_rate",
        &[F::MatchesWon],
        &[F::MatchesPlayed],
        "",
        1,
        0,
        5,
        OWN,
        "Share of the matches played that were won.",
    ),
];

/// The metric of a name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

impl Metric {
    pub const fn is_ratio(&self) -> bool {
        !self.denominator.is_empty()
    }

    /// The two parts as they are counted, the scale left out.
    pub fn parts(&self, figures: &Figures) -> (u64, u64) {
        let sum = |parts: &[Figure]| {
            parts.iter().fold(0_u64, |sum, f| sum.saturating_add(figures.get(*f)))
        };
        (sum(self.numerator), sum(self.denominator))
    }

    /// The value; `None` where it would be a division by nothing.
    pub fn score(&self, figures: &Figures) -> Option<Score> {
        let (numerator, denominator) = self.parts(figures);
        let divisor = if self.is_ratio() { denominator.max(self.floor) } else { 1 };
        (divisor > 0).then(|| Score { numerator, denominator: divisor.saturating_mul(self.scale) })
    }

    /// As [`Self::score`], for those with samples enough to stand on a board over all matches. What is
    /// zero stands on none.
    pub fn ranked(&self, figures: &Figures) -> Option<Score> {
        let enough = !self.is_ratio() || self.parts(figures).1 >= self.samples_min;
        self.score(figures).filter(|score| enough && (self.is_ratio() || score.numerator > 0))
    }

    /// Whether nothing that the metric is made of differs.
    pub(super) fn is_same(&self, one: &Figures, other: &Figures) -> bool {
        let same =
            |f: &Figure| (one.get(*f), one.reached_us(*f)) == (other.get(*f), other.reached_us(*f));
        self.numerator.iter().chain(self.denominator).all(same)
    }

    /// When the value became what it is.
    pub fn reached_us(&self, figures: &Figures) -> i64 {
        let parts = self.numerator.iter().chain(self.denominator);
        parts.map(|figure| figures.reached_us(*figure)).max().unwrap_or(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_figure_has_one() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        for figure in Figure::ALL {
            let own = metric(figure.name()).unwrap();
            assert_eq!(own.numerator, [*figure]);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }

    #[test]
    fn d7_a_ratio_without_deaths_is_finite() {
        let mut figures = Figures::default();
        figures.add(Figure::Kills, 3, 0);
        let kd = metric("kd_ratio").unwrap();
        assert_eq!(kd.score(&figures), Some(Score::whole(3)));
        figures.add(Figure::Kills, 5, 1);
        figures.add(Figure::Deaths, 5, 2);
        assert_eq!(kd.score(&figures), Some(Score { numerator: 8, denominator: 5 }));
        assert_eq!(metric("adr").unwrap().score(&figures), None);
    }
}
