use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::memory::Name;
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_repository::{HistoryQuery, HistoryRow};
use gamemesh_rpc::auth::Role;
use gamemesh_rpc::caller::Caller;
use uuid::Uuid;

use super::super::parse;
use crate::convert::json;
use crate::convert::time::{from_timestamp, to_timestamp};
use crate::convert::value::to_struct;
use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::ListHistoryRequest,
) -> Result<pb::ListHistoryResponse> {
    let player = Name::parse("playerId", &request.player_id)?;
    if caller.principal().role == Role::Player {
        caller.permit().require_player(player.as_str())?;
    }
    let size = parse::page_size(request.page_size)?;
    let time = |name: &str, time: &Option<prost_types::Timestamp>, or: i64| match time {
        Some(time) => from_timestamp(name, time),
        None => Ok(or),
    };
    let mut query = HistoryQuery {
        player_id: player.to_string(),
        from_us: time("fromTime", &request.from_time, i64::MIN)?,
        until_us: time("untilTime", &request.until_time, i64::MAX)?,
        action: match &*request.action {
            "" => None,
            action => Some(Name::parse("action", action)?.to_string()),
        },
        after: None,
        oldest_first: request.oldest_first,
        limit: size + 1,
        at_least: game.history_mark(&request.token)?,
    };
    let shape = format!("{}/{}/{}", query.from_us, query.until_us, query.oldest_first);
    let bound = parameters(&["history", player.as_str(), &request.action, &shape], 0);
    let (tokens, now_us) = (&game.documents.tokens, game.clock.now_micros());
    if !request.page_token.is_empty() {
        let claim = tokens.check("pageToken", &request.page_token, Kind::Page, bound, now_us)?;
        query.after = place(&claim.key);
    }
    let mut rows = game.tables.history(&query).await?;
    let more = rows.len() > size;
    rows.truncate(size);
    let next_page_token = match rows.last() {
        Some(last) if more => {
            let key = format!("{}:{}", last.time_us, last.entry_id);
            let claim = Claim { parameters: bound, key, ..Claim::default() };
            tokens.issue(Kind::Page, &claim, now_us)
        }
        _ => String::new(),
    };
    let entries = rows.into_iter().map(entry).collect::<Result<_>>()?;
    Ok(pb::ListHistoryResponse { entries, next_page_token })
}

fn entry(row: HistoryRow) -> Result<pb::HistoryEntry> {
    Ok(pb::HistoryEntry {
        entry_id: row.entry_id.to_string(),
        player_id: row.player_id,
        action: row.action,
        context: Some(to_struct(&json::map(&row.context)?)),
        time: Some(to_timestamp(row.time_us)),
    })
}

/// Where a page ended. Tokens are signed, so that nothing else stands in one.
fn place(key: &str) -> Option<(i64, Uuid)> {
    let (time, id) = key.split_once(':')?;
    Some((time.parse().ok()?, Uuid::parse_str(id).ok()?))
}
