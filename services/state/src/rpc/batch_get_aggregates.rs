use std::sync::Arc;

use futures::future::join_all;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{Answered, Freshness};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::StreamName;
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
    let mut answers = Vec::with_capacity(request.keys.len());
    for keys in request.keys.chunks(at_once) {
        let reads = keys.iter().map(|key| read(&engine, &caller, key, &freshness));
        answers.extend(join_all(reads).await);
    }
    together(&engine, &freshness, &mut answers).await?;
    let mut bytes = parse::PageBytes::default();
    let results = answers.into_iter().map(|answer| {
        let result = result(&engine, answer);
        if bytes.take(&result) {
            return result;
        }
        let what = "the answer has no room for it: ask for it again, with fewer keys";
        refused(&Error::new(Code::PayloadTooLarge, what))
    });
    let results = results.collect();
    Ok(Answer::new(pb::BatchGetAggregatesResponse { results }))
}

async fn read(
    engine: &Arc<Engine>,
    caller: &Caller,
    key: &pb::AggregateKey,
    freshness: &Freshness,
) -> Result<(StreamName, Answered)> {
    let (stream, _) = parse::target(engine, &key.r#type, &key.id)?;
    caller.may_read(&stream)?;
    let answered = engine.documents.observed_read(&stream, freshness).await?;
    Ok((stream, answered))
}

/// Brings what was read to one moment.
async fn together(
    engine: &Arc<Engine>,
    freshness: &Freshness,
    answers: &mut [Result<(StreamName, Answered)>],
) -> Result<()> {
    let read = || answers.iter().flatten();
    let streams: Vec<_> = read().map(|(stream, _)| stream.clone()).collect();
    let mut found: Vec<_> = read().map(|(_, answered)| answered.clone()).collect();
    let asked: Vec<_> = streams.iter().collect();
    engine.documents.together(&asked, freshness, &mut found).await?;
    for (answer, found) in answers.iter_mut().flatten().zip(found) {
        answer.1 = found;
    }
    Ok(())
}

fn result(engine: &Engine, answer: Result<(StreamName, Answered)>) -> pb::BatchGetResult {
    let found = answer.and_then(|(stream, answered)| match answered.aggregate.exists() {
        true => Ok((stream, answered)),
        false => Err(parse::not_found(&stream)),
    });
    match found {
        Ok((stream, answered)) => pb::BatchGetResult {
            freshness: Some(parse::freshness_of(engine, &stream, &answered)),
            result: Some(Outcome::Aggregate(convert::aggregate::to_aggregate(
                &stream,
                &answered.aggregate,
            ))),
        },
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> pb::BatchGetResult {
    pb::BatchGetResult { result: Some(Outcome::Refusal(to_refusal(error))), freshness: None }
}
