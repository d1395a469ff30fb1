use std::sync::Arc;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::Filling;
use gamemesh_domain::document::{Facts, Filter};
use gamemesh_domain::{Error, Result};
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_repository::{AggregateRow, StreamName};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;

/// Rows that are looked at for one page: a page of a narrow filter comes back short rather than late.
const ROWS_EXAMINED_MAX: usize = 10_000;

/// Rows that are read at once.
const ROWS_READ_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::ListAggregatesRequest,
) -> Result<Answer<pb::ListAggregatesResponse>> {
    let schema = engine.documents.types.get(&request.r#type)?;
    let name = schema.type_name().to_string();
    caller.may_read_type(&name)?;
    let filter = parse::filter(&request.filter, Some(&schema))?;
    if filter.needs_events() {
        let what = "a list has no events: `_kind` and `changed` are for watches";
        return Err(Error::invalid("filter", what));
    }
    let size = parse::count("pageSize", request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)?;
    caller.may_read_many()?;
    let bound = parameters(&["list", &name], filter.fingerprint());
    let mut after = match &*request.page_token {
        "" => None,
        token => {
            let now_us = engine.documents.clock.now_micros();
            Some(engine.documents.tokens.check("pageToken", token, Kind::Page, bound, now_us)?.key)
        }
    };
    // Without a token the caller still sees what it has written through this instance.
    let mut cut = engine.documents.feed.committed();
    cut.raise_all(&engine.documents.read_cut(&request.token)?);
    engine.documents.feed.catch_up("token", &cut).await?;
    engine.documents.projector.written(&cut).await?;

    let mut aggregates: Vec<pb::Aggregate> = Vec::new();
    let (mut bytes, mut read) = (parse::PageBytes::default(), Filling::default());
    let mut is_full = false;
    let (mut examined, mut examined_bytes) = (0, 0);
    let more = loop {
        let wanted = if filter.is_empty() { size - aggregates.len() } else { ROWS_READ_MAX };
        let limit = read.next_read(ROWS_READ_MAX.min(wanted));
        read = Filling::default();
        let page = engine.documents.tables.list(&name, after.as_deref(), limit).await?;
        let mut rows = page.rows.into_iter().peekable();
        while let Some(row) = rows.next_if(|_| aggregates.len() < size) {
            examined += 1;
            read.add(row.state.len());
            examined_bytes += row.state.len();
            let id = row.id.clone();
            let found = matching(&engine, &filter, &name, row).await?;
            is_full = found.as_ref().is_some_and(|found| !bytes.take(found));
            if is_full {
                break;
            }
            after = Some(id);
            aggregates.extend(found);
        }
        let more = is_full || rows.peek().is_some() || page.more;
        if !more || is_full || aggregates.len() == size || examined >= ROWS_EXAMINED_MAX {
            break more;
        }
    };
    caller.has_read(examined, examined_bytes);
    let next_page_token = match (more, after) {
        (true, Some(key)) => {
            let claim = Claim { parameters: bound, key, ..Claim::default() };
            engine.documents.tokens.issue(Kind::Page, &claim, engine.documents.clock.now_micros())
        }
        _ => String::new(),
    };
    Ok(Answer::new(pb::ListAggregatesResponse { aggregates, next_page_token }))
}

async fn matching(
    engine: &Engine,
    filter: &Filter,
    name: &str,
    row: AggregateRow,
) -> Result<Option<pb::Aggregate>> {
    let stream = StreamName::new(name, &row.id);
    let aggregate = engine.documents.history.of_row(&stream, &row).await?;
    let facts = Facts {
        type_name: name,
        id: &row.id,
        version: aggregate.version,
        updated_at_us: aggregate.updated_at_us,
        state: &aggregate.state,
        event: None,
    };
    let matches = aggregate.exists() && filter.matches(&facts);
    Ok(matches.then(|| convert::aggregate::to_aggregate(&stream, &aggregate)))
}
