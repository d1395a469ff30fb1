use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::stats::{Figure, Name, Window, WindowKind};
use gamemesh_domain::{Code, Error, Result};

use super::answer::Answer;
use super::{page, parse};
use crate::convert::boards;
use crate::engine::Engine;

/// Matches that one answer looks through.
const MATCHES_MAX: usize = 100;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::ExplainStatRequest,
) -> Result<Answer<pb::ExplainStatResponse>> {
    let (_, metric) = boards::metric_of(&request.metric)?;
    let player = parse::player_id(&request.player_id)?;
    let limit = parse::limit(request.limit, 100)?;
    let (matches, figures) = scope(&engine, &player, &request.match_id).await?;
    let (numerator, denominator) = metric.parts(&figures);
    let divisor = if metric.is_ratio() { denominator } else { 1 };

    let (after, mut skip) = match &*request.page_token {
        "" => (None, 0),
        token => page::name(token).map(|(name, count)| (Some(name), count))?,
    };
    let wanted: &'static [Figure] = WANTED[boards::metric_of(&request.metric)?.0].as_slice();
    let from = after.map_or(0, |after| matches.partition_point(|id| *id < after));
    let (mut causes, mut next) = (Vec::new(), String::new());
    for (looked, id) in matches[from..].iter().enumerate() {
        if causes.len() >= limit || looked >= MATCHES_MAX {
            next = page::after_name(id, 0);
            break;
        }
        let of_match = engine.explain(id.as_str(), player.as_str(), wanted).await?;
        let left = limit - causes.len();
        let total = of_match.len();
        causes.extend(of_match.into_iter().skip(skip).take(left).map(|c| boards::cause(id, c)));
        if total > skip + left {
            next = page::after_name(id, skip + left);
            break;
        }
        skip = 0;
    }
    Ok(Answer::new(pb::ExplainStatResponse {
        numerator: numerator as f64 / metric.scale as f64,
        denominator: divisor as f64,
        causes,
        next_page_token: next,
        definition: Some(boards::definition(metric)),
    }))
}

/// The figures that each metric is made of.
static WANTED: std::sync::LazyLock<Vec<Vec<Figure>>> = std::sync::LazyLock::new(|| {
    let parts = |metric: &gamemesh_domain::stats::Metric| {
        let mut parts = [metric.numerator, metric.denominator].concat();
        parts.sort_unstable();
        parts.dedup();
        parts
    };
    gamemesh_domain::stats::METRICS.iter().map(parts).collect()
});

/// The matches that the number comes from, and the figures as they are.
async fn scope(
    engine: &Engine,
    player: &Name,
    match_id: &str,
) -> Result<(Vec<Name>, gamemesh_domain::stats::Figures)> {
    let unknown = || {
        Error::new(Code::NotFound, "nothing is known of this player").with_fact("playerId", player)
    };
    if !match_id.is_empty() {
        let view = parse::view(engine, match_id, 0, None, 0).await?;
        let figures = view.player(player.as_str()).ok_or_else(unknown)?.figures;
        return Ok((vec![view.id().clone()], figures));
    }
    engine.settle().await;
    let totals = engine.standings.totals.read();
    let all_time = Window { kind: WindowKind::AllTime, number: 0 };
    let figures = totals.figures(player.as_str(), all_time).ok_or_else(unknown)?.clone();
    Ok((totals.matches_of(player.as_str()), figures))
}
