use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::Status;
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{CombatQuery, CombatSessionRow};
use prost::Message as _;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::spectate::as_seen_from_afar;

const PAGE: i32 = 50;
const PAGE_MAX: i32 = 500;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::ListSessionsRequest,
) -> Result<pb::ListSessionsResponse> {
    let page = match request.page_size {
        0 => PAGE,
        page if (1..=PAGE_MAX).contains(&page) => page,
        _ => return Err(Error::invalid("pageSize", format!("accepts 1 to {PAGE_MAX}"))),
    } as usize;
    if !request.status.is_empty() && !Status::ALL.iter().any(|s| s.name() == request.status) {
        return Err(Error::invalid("status", "accepts waiting, active, paused, ended, aborted"));
    }
    let filters = [&request.status, &request.map_id, &request.game_mode, &request.player_id];
    let filters = filters.map(String::as_str).join("\0");
    let now_us = edge.clock.now_micros();
    let after = match request.page_token.as_str() {
        "" => None,
        token => {
            let after = edge.tokens.page_after(&filters, token, now_us)?;
            let (created_us, id) = after.split_once('/').unwrap_or_default();
            Some((created_us.parse().unwrap_or(i64::MAX), id.to_owned()))
        }
    };
    let some = |text: String| (!text.is_empty()).then_some(text);
    let query = CombatQuery {
        status: some(request.status),
        map_id: some(request.map_id),
        game_mode: some(request.game_mode),
        player_id: some(request.player_id),
        after,
        limit: page + 1,
    };
    let mut rows = edge.tables.sessions(&query).await?;
    let more = rows.len() > page;
    rows.truncate(page);
    let next_page_token = match rows.last().filter(|_| more) {
        None => String::new(),
        Some(last) => {
            let after = format!("{}/{}", last.created_us, last.session_id);
            edge.tokens.page(&filters, &after, now_us)
        }
    };
    let sessions = rows.iter().map(|row| seen(&caller, row)).collect::<Result<_>>()?;
    Ok(pb::ListSessionsResponse { sessions, next_page_token })
}

/// A listed session as the caller may see it.
fn seen(caller: &Caller, row: &CombatSessionRow) -> Result<pb::Session> {
    let session = pb::Session::decode(row.session.clone()).map_err(Error::internal)?;
    if caller.sees_present(session.participants.iter().map(|player| &player.player_id)) {
        return Ok(session);
    }
    let policy = session.policy.unwrap_or_default();
    let delay_s = policy.spectator_delay_s.and_then(|delay_s| u64::try_from(delay_s).ok());
    Ok(as_seen_from_afar(session, Duration::from_secs(delay_s.unwrap_or(0))))
}
