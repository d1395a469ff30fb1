use std::collections::HashMap;
use std::sync::Arc;

use futures::future::join_all;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::{Error, Result};
use pb::batch_update_result::Result as Outcome;

use super::answer::Answer;
use super::update_aggregate::update;
use crate::caller::Caller;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;

const UPDATES_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::BatchUpdateAggregatesRequest,
) -> Result<Answer<pb::BatchUpdateAggregatesResponse>> {
    caller.may_write()?;
    if request.updates.len() > UPDATES_MAX {
        return Err(Error::invalid("updates", format!("accepts at most {UPDATES_MAX}")));
    }
    // Updates of one aggregate follow one another, different aggregates share the log's batches.
    let mut by_aggregate: HashMap<(String, String), Vec<(usize, pb::UpdateAggregateRequest)>> =
        HashMap::new();
    let mut results = vec![pb::BatchUpdateResult::default(); request.updates.len()];
    for (at, update) in request.updates.into_iter().enumerate() {
        let key = (update.r#type.clone(), update.id.clone());
        by_aggregate.entry(key).or_default().push((at, update));
    }
    let chains = by_aggregate.into_values().map(|updates| {
        let (engine, caller) = (&engine, &caller);
        async move {
            let mut done = Vec::with_capacity(updates.len());
            for (at, request) in updates {
                done.push((at, outcome(engine, caller, request).await));
            }
            done
        }
    });
    for (at, result) in join_all(chains).await.into_iter().flatten() {
        results[at] = result;
    }
    Ok(Answer::new(pb::BatchUpdateAggregatesResponse { results }))
}

/// What became of one of several updates.
pub(super) async fn outcome(
    engine: &Arc<Engine>,
    caller: &Caller,
    request: pb::UpdateAggregateRequest,
) -> pb::BatchUpdateResult {
    let result = match update(engine, caller, request).await {
        Ok(updated) => Outcome::Updated(updated),
        Err(error) => {
            engine.refused(&error);
            Outcome::Refusal(to_refusal(&error))
        }
    };
    pb::BatchUpdateResult { result: Some(result) }
}
