use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_documents::Filling;
use gamemesh_domain::document::{Facts, Filter, Value};
use gamemesh_domain::memory::Name;
use gamemesh_domain::{Error, Result};
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_repository::{EntityQuery, EntityRow, TableMark};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::json;
use crate::convert::time::{from_timestamp, to_timestamp};
use crate::convert::value::to_struct;
use crate::game::Game;

/// Rows that are looked at for one page: a page of a narrow filter comes back short rather than late.
const ROWS_EXAMINED_MAX: usize = 10_000;

/// Rows that are read at once.
const ROWS_READ_MAX: usize = 1_000;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::ListEntitiesRequest,
) -> Result<pb::ListEntitiesResponse> {
    let size = parse::page_size(request.page_size)?;
    let filter = filter(&request.filter)?;
    let time = |name: &str, time: &Option<prost_types::Timestamp>, or: i64| match time {
        Some(time) => from_timestamp(name, time),
        None => Ok(or),
    };
    let now_us = game.clock.now_micros();
    let mut query = EntityQuery {
        entity_type: match &*request.r#type {
            "" => None,
            name => Some(Name::parse("type", name)?.to_string()),
        },
        from_us: time("updatedFrom", &request.updated_from, i64::MIN)?,
        until_us: time("updatedUntil", &request.updated_until, i64::MAX)?,
        after: None,
        limit: 0,
        written: TableMark::default(),
    };
    let spans = format!("{}/{}", query.from_us, query.until_us);
    let bound = parameters(&["entities", &request.r#type, &spans], filter.fingerprint());
    if !request.page_token.is_empty() {
        let token = &request.page_token;
        let claim = game.documents.tokens.check("pageToken", token, Kind::Page, bound, now_us)?;
        query.after = place(&claim.key);
    }
    query.written = game.tables_written(&request.token).await?;

    caller.may_read_many()?;
    let (mut entities, mut examined, mut examined_bytes) = (Vec::new(), 0, 0);
    let (mut read, mut filling) = (Filling::default(), Filling::default());
    let more = loop {
        let wanted = if filter.is_empty() { size + 1 - entities.len() } else { ROWS_READ_MAX };
        query.limit = read.next_read(wanted);
        read = Filling::default();
        let rows = game.tables.entities(&query).await?;
        let is_last = rows.len() < query.limit;
        let mut rows = rows.into_iter().peekable();
        while let Some(row) = rows.next_if(|_| entities.len() < size && !filling.is_full()) {
            examined += 1;
            read.add(row.data.len());
            examined_bytes += row.data.len();
            query.after = Some((row.updated_us, row.id.clone()));
            if let Some(entity) = shown(&filter, &row)? {
                filling.add(row.data.len());
                entities.push(entity);
            }
        }
        let more = rows.peek().is_some() || !is_last;
        if !more || entities.len() == size || filling.is_full() || examined >= ROWS_EXAMINED_MAX {
            break more;
        }
    };
    caller.has_read(examined, examined_bytes);
    let next_page_token = match (more, query.after) {
        (true, Some((updated_us, id))) => {
            let key = format!("{updated_us}:{id}");
            let claim = Claim { parameters: bound, key, ..Claim::default() };
            game.documents.tokens.issue(Kind::Page, &claim, now_us)
        }
        _ => String::new(),
    };
    Ok(pb::ListEntitiesResponse { entities, next_page_token })
}

fn filter(text: &str) -> Result<Filter> {
    let filter = match text.trim() {
        "" => Filter::all(),
        text => text.parse()?,
    };
    match filter.needs_aggregate() {
        true => Err(Error::invalid("filter", "looks at fields of the data")),
        false => Ok(filter),
    }
}

fn shown(filter: &Filter, row: &EntityRow) -> Result<Option<pb::Entity>> {
    let data = json::map(&row.data)?;
    let state = Value::Map(data.clone());
    let facts = Facts {
        type_name: &row.entity_type,
        id: &row.id,
        version: row.version,
        updated_at_us: row.updated_us,
        state: &state,
        event: None,
    };
    Ok(filter.matches(&facts).then(|| pb::Entity {
        entity_id: row.id.clone(),
        r#type: row.entity_type.clone(),
        data: Some(to_struct(&data)),
        version: row.version as i64,
        created_at: Some(to_timestamp(row.created_us)),
        updated_at: Some(to_timestamp(row.updated_us)),
        token: String::new(),
    }))
}

/// Where a page ended. Tokens are signed, so that nothing else stands in one.
fn place(key: &str) -> Option<(i64, String)> {
    let (time, id) = key.split_once(':')?;
    Some((time.parse().ok()?, id.to_owned()))
}
