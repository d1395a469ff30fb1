use std::sync::Arc;

use bytes::Bytes;
use gamemesh_contracts::state::v1::batch_update_result::Result as Outcome;
use gamemesh_contracts::state::v1::update_aggregate_request::Change;
use gamemesh_contracts::state::v1::{
    BatchUpdateResult, UpdateAggregateRequest, UpdateAggregateResponse,
};
use gamemesh_documents::{Write, Written};
use gamemesh_domain::document::Command;
use gamemesh_domain::{Error, Result};
use gamemesh_repository::StreamName;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: UpdateAggregateRequest,
) -> Result<Answer<UpdateAggregateResponse>> {
    let (write, answered) = parse_update(&engine, &mut Metadata::of(&caller), request)?;
    let written = engine.documents.write(write).await?;
    let message = answered.response(&parse::ReadTokens::of(&engine), &written)?;
    let write = message.write.clone().unwrap_or_default();
    Ok(Answer::written(message, &write))
}

/// Several updates, each by itself, in order: what one call or one stream brings at once.
pub(super) async fn update_each(
    engine: &Arc<Engine>,
    caller: &Caller,
    requests: Vec<UpdateAggregateRequest>,
) -> Vec<BatchUpdateResult> {
    let mut writes = Vec::with_capacity(requests.len());
    let mut parsed = Vec::with_capacity(requests.len());
    let mut metadata = Metadata::of(caller);
    for request in requests {
        parsed.push(parse_update(engine, &mut metadata, request).map(|(write, answered)| {
            writes.push(write);
            answered
        }));
    }
    let outcomes = engine.documents.write_each(writes).await;
    let mut tokens = parse::ReadTokens::of(engine);
    tokens.cover(outcomes.iter().flatten());
    let mut written = outcomes.into_iter();
    let mut answer = |answered: Result<Answered>| {
        let answered = answered?;
        let written = written.next().unwrap_or_else(|| Err(Error::internal("an update is lost")));
        answered.response(&tokens, &written?)
    };
    let result = |answered| match answer(answered) {
        Ok(updated) => Outcome::Updated(updated),
        Err(error) => {
            engine.refused(&error);
            Outcome::Refusal(to_refusal(&error))
        }
    };
    parsed
        .into_iter()
        .map(result)
        .map(|result| BatchUpdateResult { result: Some(result) })
        .collect()
}

/// Encoded metadata of updates of one caller: most give the same reason, or none.
struct Metadata<'a> {
    caller: &'a Caller,
    last: Option<(String, Bytes)>,
}

impl<'a> Metadata<'a> {
    const fn of(caller: &'a Caller) -> Self {
        Self { caller, last: None }
    }

    fn because(&mut self, region: &str, reason: String) -> Result<Bytes> {
        match &self.last {
            Some((last, metadata)) if *last == reason => Ok(metadata.clone()),
            _ => {
                let metadata = self.caller.metadata(region, &reason)?;
                self.last = Some((reason, metadata.clone()));
                Ok(metadata)
            }
        }
    }
}

/// What an update is answered with.
struct Answered {
    stream: StreamName,
    result_only: bool,
}

fn parse_update(
    engine: &Engine,
    metadata: &mut Metadata<'_>,
    request: UpdateAggregateRequest,
) -> Result<(Write, Answered)> {
    let caller = metadata.caller;
    let idempotency = caller.idempotency("UpdateAggregate", &request.idempotency_key, &request)?;
    let expected = caller.expectation(request.expected_version, request.must_exist)?;
    let metadata = metadata.because(&engine.region, request.reason)?;
    let target = parse::target(engine, &request.r#type, &request.id)?;
    let answered = Answered { stream: target.0.clone(), result_only: request.result_only };
    let command = command(request.change, request.create_missing)?;
    let part = parse::part(target, expected, command);
    Ok((Write { parts: vec![part], idempotency, metadata }, answered))
}

impl Answered {
    fn response(
        &self,
        tokens: &parse::ReadTokens<'_>,
        written: &Written,
    ) -> Result<UpdateAggregateResponse> {
        let (part, write) = parse::only_part(tokens, written)?;
        let aggregate = || convert::aggregate::to_aggregate(&self.stream, &part.aggregate);
        Ok(UpdateAggregateResponse {
            aggregate: (!self.result_only).then(aggregate),
            write: Some(write),
        })
    }
}

fn command(change: Option<Change>, create_missing: bool) -> Result<Command> {
    Ok(match change {
        None => {
            let what = "accepts one of mergePatch, operations, replace";
            return Err(Error::invalid("change", what));
        }
        Some(Change::MergePatch(patch)) => {
            let patch = convert::value::from_struct("mergePatch", patch)?;
            Command::Merge { patch, create_missing }
        }
        Some(Change::Operations(operations)) => {
            let operations = convert::operation::from_operations(operations)?;
            Command::Operate { operations, create_missing }
        }
        Some(Change::Replace(state)) => {
            let state = convert::value::from_struct("replace", state)?;
            Command::Replace { state, create_missing }
        }
    })
}
