use std::sync::Arc;

use futures::future::join_all;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::Freshness;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;
use pb::batch_get_result::Result as Outcome;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;

const KEYS_MAX: usize = 1_000;

/// Keys that are read at once: those that are not cached go to the store together.
const AT_ONCE_MAX: usize = 64;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::BatchGetAggregatesRequest,
) -> Result<Answer<pb::BatchGetAggregatesResponse>> {
    if request.keys.len() > KEYS_MAX {
        return Err(Error::invalid("keys", format!("accepts at most {KEYS_MAX}")));
    }
    let pb::BatchGetAggregatesRequest { consistency, token, max_age, .. } = &request;
    let freshness = parse::freshness(&engine, *consistency, token, max_age.as_ref())?;
    // What asks the store for each head does so one by one: the store's queue is short, and refuses.
    let at_once = match freshness {
        Freshness::Strong | Freshness::Bounded(_) => 1,
        Freshness::AtLeast(_) | Freshness::Any => AT_ONCE_MAX,
    };
    let mut results = Vec::with_capacity(request.keys.len());
    for keys in request.keys.chunks(at_once) {
        let reads = keys.iter().map(|key| result(&engine, &caller, key, &freshness));
        results.extend(join_all(reads).await);
    }
    Ok(Answer::new(pb::BatchGetAggregatesResponse { results }))
}

async fn result(
    engine: &Arc<Engine>,
    caller: &Caller,
    key: &pb::AggregateKey,
    freshness: &Freshness,
) -> pb::BatchGetResult {
    let read = read(engine, caller, key, freshness).await;
    read.unwrap_or_else(|error| pb::BatchGetResult {
        result: Some(Outcome::Refusal(to_refusal(&error))),
        freshness: None,
    })
}

async fn read(
    engine: &Arc<Engine>,
    caller: &Caller,
    key: &pb::AggregateKey,
    freshness: &Freshness,
) -> Result<pb::BatchGetResult> {
    let (stream, _) = parse::target(engine, &key.r#type, &key.id)?;
    caller.may_read(&stream)?;
    let answered = engine.documents.observed_read(&stream, freshness).await?;
    let aggregate = &answered.aggregate;
    if !aggregate.exists() {
        return Err(parse::not_found(&stream));
    }
    Ok(pb::BatchGetResult {
        freshness: Some(parse::freshness_of(engine, &stream, &answered)),
        result: Some(Outcome::Aggregate(convert::aggregate::to_aggregate(&stream, aggregate))),
    })
}
