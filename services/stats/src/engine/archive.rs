//! Matches as they are kept in the tables: packed, and taken out again.

use gamemesh_domain::stats::{Figure, Match, MatchView, PlayerView, Reader, Rules, Status, Writer};
use gamemesh_repository::{Lane, MatchStatsRow, PlayerStatsRow};

use super::summary::Summary;

/// Of zstd: the facts of a match take about a third of their room, at little cost.
const LEVEL: i32 = 1;

/// A match is never larger than this when it is taken out, in bytes.
const MATCH_BYTES_MAX: usize = 1 << 30;

/// Everything of a match, for the tables.
pub(crate) fn row(counted: &mut Match, view: &MatchView, lane: Lane) -> Option<MatchStatsRow> {
    let mut out = Writer::default();
    counted.put(&mut out);
    let state = zstd::bulk::compress(&out.0, LEVEL).ok()?;
    let text = |name: Option<&gamemesh_domain::stats::Name>| {
        name.map(ToString::to_string).unwrap_or_default()
    };
    Some(MatchStatsRow {
        match_id: view.id().to_string(),
        lane,
        version: view.version(),
        status: match view.status() {
            Status::Gathering => "gathering",
            Status::Active => "active",
            Status::Ended => "ended",
            Status::Voided => "voided",
        }
        .to_owned(),
        map: text(view.map()),
        mode: text(view.mode()),
        winner: text(view.winner()),
        started_us: view.started_us(),
        ended_us: view.ended_us(),
        last_event_us: view.span_us().map_or(0, |(_, last)| last),
        state: state.into(),
        summary: Summary::of(view)?.encode().into(),
        players: view.players().iter().map(player).collect(),
    })
}

pub(crate) fn unpack(bytes: &[u8], rules: Rules) -> Option<Match> {
    let bytes = zstd::bulk::decompress(bytes, MATCH_BYTES_MAX).ok()?;
    Match::take(&mut Reader(&bytes), rules).ok()
}

fn player(player: &PlayerView) -> PlayerStatsRow {
    let figure = |figure| i64::try_from(player.figures.get(figure)).unwrap_or(i64::MAX);
    let figures: serde_json::Map<String, serde_json::Value> = Figure::ALL
        .iter()
        .filter(|figure| player.figures.get(**figure) > 0)
        .map(|figure| (figure.name().to_owned(), player.figures.get(*figure).into()))
        .collect();
    PlayerStatsRow {
        player_id: player.id.to_string(),
        team: player.team.as_ref().map(ToString::to_string).unwrap_or_default(),
        kills: figure(Figure::Kills),
        deaths: figure(Figure::Deaths),
        assists: figure(Figure::Assists),
        headshot_kills: figure(Figure::HeadshotKills),
        damage_dealt_milli: figure(Figure::DamageDealt),
        damage_taken_milli: figure(Figure::DamageTaken),
        rounds_played: figure(Figure::RoundsPlayed),
        kast_rounds: figure(Figure::KastRounds),
        distance_mm: figure(Figure::Distance),
        figures: serde_json::Value::Object(figures).to_string(),
    }
}
