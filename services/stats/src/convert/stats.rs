//! Matches and players as messages of the contract.

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::stats::{
    Figure, Figures, Kind, METRICS, MatchView, Name, PlayerView, Skill, Status, WeaponFigures,
};

use super::time::{to_duration, to_timestamp};

pub(crate) fn match_stats(view: &MatchView) -> pb::MatchStats {
    let players = view.players();
    let (first, last) = view.span_us().unzip();
    pb::MatchStats {
        match_id: view.id().to_string(),
        version: view.version() as i64,
        status: status(view.status()).into(),
        map: text(view.map()),
        mode: text(view.mode()),
        winner: text(view.winner()),
        draw: view.is_draw(),
        started_at: view.started_us().map(to_timestamp),
        ended_at: view.ended_us().map(to_timestamp),
        first_event_at: first.map(to_timestamp),
        last_event_at: last.map(to_timestamp),
        totals: Some(totals(view, &players)),
        players: players.iter().map(player).collect(),
        rounds: view
            .rounds()
            .map(|(round, winner)| pb::RoundStats {
                number: round.number,
                started_at: Some(to_timestamp(round.started_us)),
                ended_at: round.ended_us.map(to_timestamp),
                winner: text(winner),
                kills: count(round.kills),
                deaths: count(round.deaths),
            })
            .collect(),
        timeline: view
            .timeline()
            .map(|(at_us, bucket)| pb::TimelineBucket {
                at: Some(to_timestamp(at_us)),
                events: count(bucket.events),
                kills: count(bucket.kills),
                deaths: count(bucket.deaths),
                damage: milli(bucket.damage_milli),
                objectives: count(bucket.objectives),
            })
            .collect(),
        phases: view
            .phases()
            .into_iter()
            .map(|phase| pb::MatchPhase {
                name: phase.name.to_owned(),
                started_at: Some(to_timestamp(phase.started_us)),
                ended_at: phase.ended_us.map(to_timestamp),
            })
            .collect(),
    }
}

pub(crate) fn summary(view: &MatchView) -> pb::MatchSummary {
    pb::MatchSummary {
        match_id: view.id().to_string(),
        version: view.version() as i64,
        status: status(view.status()).into(),
        players: view.players_total() as i32,
        started_at: view.started_us().map(to_timestamp),
        last_event_at: view.span_us().map(|(_, last)| to_timestamp(last)),
        map: text(view.map()),
        mode: text(view.mode()),
    }
}

fn totals(view: &MatchView, players: &[PlayerView]) -> pb::MatchTotals {
    let mut all = Figures::default();
    players.iter().for_each(|player| all.merge(&player.figures));
    let counted = |kind: &Kind| {
        (view.count(*kind) > 0).then(|| (kind.name().to_owned(), view.count(*kind) as i64))
    };
    pb::MatchTotals {
        players: players.len() as u32,
        events: Kind::ALL.iter().filter_map(counted).collect(),
        kills: count(all.get(Figure::Kills)),
        deaths: count(all.get(Figure::Deaths)),
        assists: count(all.get(Figure::Assists)),
        damage_dealt: milli(all.get(Figure::DamageDealt)),
        distance: milli(all.get(Figure::Distance)),
        items_used: large(all.get(Figure::ItemsUsed)),
        objectives: count(all.get(Figure::Objectives)),
    }
}

pub(crate) fn player(player: &PlayerView) -> pb::PlayerStats {
    pb::PlayerStats {
        team: text(player.team.as_ref()),
        present: player.present,
        alive: player.alive,
        current_streak: count(player.streak),
        weapons: player.weapons.iter().map(weapon).collect(),
        ..figures(&player.id, &player.figures)
    }
}

/// A player's figures, of one match or of several.
pub(crate) fn figures(id: &Name, figures: &Figures) -> pb::PlayerStats {
    let value = |figure| count(figures.get(figure));
    let points = |figure| milli(figures.get(figure));
    pb::PlayerStats {
        player_id: id.to_string(),
        kills: value(Figure::Kills),
        deaths: value(Figure::Deaths),
        assists: value(Figure::Assists),
        team_kills: value(Figure::TeamKills),
        suicides: value(Figure::Suicides),
        headshot_kills: value(Figure::HeadshotKills),
        damage_dealt: points(Figure::DamageDealt),
        damage_taken: points(Figure::DamageTaken),
        team_damage: points(Figure::TeamDamage),
        overkill_damage: points(Figure::Overkill),
        shots_fired: large(figures.get(Figure::ShotsFired)),
        shots_hit: value(Figure::ShotsHit),
        headshot_hits: value(Figure::HeadshotHits),
        best_streak: value(Figure::BestStreak),
        double_kills: value(Figure::DoubleKills),
        triple_kills: value(Figure::TripleKills),
        quadra_kills: value(Figure::QuadraKills),
        penta_kills: value(Figure::PentaKills),
        trade_kills: value(Figure::TradeKills),
        traded_deaths: value(Figure::TradedDeaths),
        opening_kills: value(Figure::OpeningKills),
        opening_deaths: value(Figure::OpeningDeaths),
        rounds_played: value(Figure::RoundsPlayed),
        rounds_won: value(Figure::RoundsWon),
        rounds_survived: value(Figure::RoundsSurvived),
        kast_rounds: value(Figure::KastRounds),
        round_kills: value(Figure::RoundKills),
        clutches: value(Figure::Clutches),
        clutches_won: value(Figure::ClutchesWon),
        distance: points(Figure::Distance),
        items_used: large(figures.get(Figure::ItemsUsed)),
        objectives: value(Figure::Objectives),
        objective_points: large(figures.get(Figure::ObjectivePoints)),
        time_played: Some(to_duration(figures.get(Figure::TimePlayed))),
        time_alive: Some(to_duration(figures.get(Figure::TimeAlive))),
        matches_played: value(Figure::MatchesPlayed),
        matches_won: value(Figure::MatchesWon),
        ratios: ratios(figures),
        ..pb::PlayerStats::default()
    }
}

fn ratios(figures: &Figures) -> std::collections::HashMap<String, pb::Ratio> {
    METRICS
        .iter()
        .filter(|metric| metric.is_ratio())
        .map(|metric| {
            let (numerator, denominator) = metric.parts(figures);
            let ratio = pb::Ratio {
                numerator: numerator as f64 / metric.scale as f64,
                denominator: denominator as f64,
                value: metric.score(figures).map(|score| score.value()),
            };
            (metric.name.to_owned(), ratio)
        })
        .collect()
}

fn weapon((name, figures): &(Name, WeaponFigures)) -> pb::WeaponStats {
    pb::WeaponStats {
        weapon: name.to_string(),
        kills: count(figures.kills),
        headshot_kills: count(figures.headshot_kills),
        damage: milli(figures.damage_milli),
        shots_fired: large(figures.shots_fired),
        shots_hit: count(figures.shots_hit),
        headshot_hits: count(figures.headshot_hits),
    }
}

/// What is believed of a player as of now; the place is that of his last match.
pub(crate) fn rating(player: &Name, skill: &Skill, rank: u64, now_us: i64) -> pb::Rating {
    let now = skill.at(now_us);
    pb::Rating {
        player_id: player.to_string(),
        rating: now.rating,
        deviation: now.deviation,
        volatility: now.volatility,
        mu: now.mu,
        sigma: now.sigma,
        matches: count(now.matches),
        rated_at: Some(to_timestamp(now.rated_us)),
        rank: count(rank),
    }
}

fn status(status: Status) -> pb::MatchStatus {
    match status {
        Status::Gathering => pb::MatchStatus::Gathering,
        Status::Active => pb::MatchStatus::Active,
        Status::Ended => pb::MatchStatus::Ended,
        Status::Voided => pb::MatchStatus::Voided,
    }
}

fn text(name: Option<&Name>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

fn milli(value: u64) -> f64 {
    value as f64 / 1_000.0
}

/// What cannot outgrow the number of events.
fn count(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn large(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
