//! Boards, metrics and explanations as messages of the contract.

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::stats::{
    Board, Cause, Figure, METRICS, Metric, Name, Place, Standing, metric,
};
use gamemesh_domain::{Error, Result};

use super::time::to_timestamp;

/// The metric of a name and its number; the refusal lists what there is.
pub(crate) fn metric_of(name: &str) -> Result<(usize, &'static Metric)> {
    METRICS.iter().enumerate().find(|(_, metric)| metric.name == name).ok_or_else(|| {
        let names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        Error::invalid("metric", format!("accepts {}", names.join(", ")))
    })
}

pub(crate) fn is_ascending(order: i32) -> Result<bool> {
    match pb::Order::try_from(order) {
        Ok(pb::Order::Unspecified | pb::Order::Descending) => Ok(false),
        Ok(pb::Order::Ascending) => Ok(true),
        Err(_) => Err(Error::invalid("order", "accepts a value of Order")),
    }
}

/// So many entries of a board from an index on.
pub(crate) fn entries(
    board: &Board,
    metric: &Metric,
    from: usize,
    limit: usize,
    ascending: bool,
) -> Vec<pb::LeaderboardEntry> {
    let to = from.saturating_add(limit).min(board.len());
    (from..to)
        .filter_map(|index| {
            let place = if ascending { board.nth_ascending(index) } else { board.nth(index) }?;
            Some(entry(place, &standing(board, place, ascending), metric))
        })
        .collect()
}

pub(crate) fn standing(board: &Board, place: &Place, ascending: bool) -> Standing {
    if ascending { board.standing_ascending(place) } else { board.standing(place) }
}

pub(crate) fn entry(place: &Place, standing: &Standing, metric: &Metric) -> pb::LeaderboardEntry {
    let count = |rank: u64| u32::try_from(rank).unwrap_or(u32::MAX);
    let scale = metric.scale as f64;
    let numerator = place.score.numerator as f64 / scale;
    let denominator = place.score.denominator as f64 / scale;
    pb::LeaderboardEntry {
        player_id: place.player.to_string(),
        rank: count(standing.ordinal),
        competition_rank: count(standing.competition),
        dense_rank: count(standing.dense),
        value: numerator / denominator,
        numerator,
        denominator,
        reached_at: (place.reached_us > i64::MIN).then(|| to_timestamp(place.reached_us)),
    }
}

pub(crate) fn definition(metric: &Metric) -> pb::MetricDefinition {
    let names = |figures: &[Figure]| figures.iter().map(|f| f.name().to_owned()).collect();
    pb::MetricDefinition {
        name: metric.name.to_owned(),
        definition: metric.definition.to_owned(),
        source: metric.source.to_owned(),
        version: metric.version,
        unit: metric.unit.to_owned(),
        numerator: names(metric.numerator),
        denominator: names(metric.denominator),
        samples_min: metric.samples_min as u32,
    }
}

pub(crate) fn cause(match_id: &Name, cause: Cause) -> pb::Cause {
    let scale = metric(cause.figure.name()).map_or(1, |metric| metric.scale) as f64;
    pb::Cause {
        match_id: match_id.to_string(),
        event_id: cause.label.map_or_else(|| cause.event.to_string(), |label| label.to_string()),
        event_type: cause.kind.name().to_owned(),
        timestamp: Some(to_timestamp(cause.time_us)),
        figure: cause.figure.name().to_owned(),
        before: cause.from as f64 / scale,
        after: cause.to as f64 / scale,
    }
}
