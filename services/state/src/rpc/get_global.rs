use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::common::v1 as common;
use gamemesh_contracts::state::v1::{
    GetGlobalRequest, GetGlobalResponse, GlobalState, ServerStatistics,
};
use gamemesh_documents::Freshness;
use gamemesh_domain::Result;
use gamemesh_feed::{Cut, Staleness};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::convert::time::to_timestamp;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: GetGlobalRequest,
) -> Result<Answer<GetGlobalResponse>> {
    let GetGlobalRequest { consistency, token, max_age } = request;
    let (_, staleness) = engine.documents.feed.progress();
    let (cut, staleness) = match parse::freshness(&engine, consistency, &token, max_age.as_ref())? {
        Freshness::Strong => engine.documents.feed.observe_tails(Duration::ZERO).await?,
        Freshness::Bounded(bound) => engine.documents.feed.observe_tails(bound).await?,
        Freshness::AtLeast(mut cut) => {
            cut.raise_all(&engine.documents.feed.committed());
            (cut, staleness)
        }
        Freshness::Any => (Cut::default(), Staleness::Unknown),
    };
    let (global, freshness) = at_least(&engine, cut, staleness).await?;
    let message = GetGlobalResponse { global: Some(global), freshness: Some(freshness.clone()) };
    Ok(Answer::read(message, &freshness, caller.if_none_match.as_deref()))
}

/// The global state, folded at least up to a cut, which is as old as `staleness`.
pub(super) async fn at_least(
    engine: &Engine,
    cut: Cut,
    staleness: Staleness,
) -> Result<(GlobalState, common::Freshness)> {
    let (released, staleness_now) = engine.documents.feed.progress();
    engine.documents.feed.catch_up("token", &cut).await?;
    engine.documents.projector.folded(&cut).await?;
    let folded = engine.documents.projector.folded_cut();
    let staleness = match folded.covers(&released) {
        true => staleness.tighter(staleness_now),
        false => staleness,
    };
    let total = engine.global.total();
    let owned = |counts: &gamemesh_domain::state::Counts| {
        counts.iter().map(|(name, count)| (name.to_owned(), count)).collect()
    };
    let now_us = engine.documents.clock.now_micros();
    let global = GlobalState {
        players_by_status: owned(total.fold.players_by_status()),
        players_online: total.fold.players_online(),
        matches_by_phase: owned(total.fold.matches_by_phase()),
        active_matches: total.fold.active_matches(),
        aggregates_by_type: owned(total.fold.aggregates_by_type()),
        server: Some(ServerStatistics {
            events_total: total.events as i64,
            watchers: engine.documents.hub.open(),
            uptime_seconds: (now_us - engine.started_us) / 1_000_000,
        }),
        last_updated: (total.events > 0).then(|| to_timestamp(total.updated_us)),
        version: total.events as i64,
    };
    let freshness = common::Freshness {
        version: global.version,
        age: parse::age(staleness),
        tier: common::Tier::L1.into(),
        token: engine.documents.read_token(folded),
    };
    Ok((global, freshness))
}
