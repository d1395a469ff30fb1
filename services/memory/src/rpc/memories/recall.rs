use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::MEMORY_TEXT_BYTES_MAX;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::content;
use crate::convert::memory::{from_filter, to_explanation};
use crate::convert::profile::from_profile;
use crate::convert::time::from_timestamp;
use crate::engine::{Engine, Question};

const COUNT_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: pb::RecallRequest,
) -> Result<pb::RecallResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let collection = &known.collection;
    let npc = parse::npc(&request.npc_id)?;
    let count = usize::try_from(request.top_k).ok().filter(|k| (1..=COUNT_MAX).contains(k));
    let count = count.ok_or_else(|| Error::invalid("topK", "accepts 1 to 1000"))?;
    if request.text.len() > MEMORY_TEXT_BYTES_MAX {
        return Err(Error::invalid("text", "accepts at most 65536 bytes"));
    }
    let now_us = match &request.now {
        Some(now) => from_timestamp("now", now)?,
        None => engine.clock.now_micros(),
    };
    let (criteria, own_only) = from_filter(collection, request.filter, now_us)?;
    let profile = request.profile.as_ref().map(from_profile).transpose()?;
    let vector = content::vector(collection, "vector", request.vector, request.model.as_ref())?;
    let mut answer = pb::RecallResponse::default();
    let wants_vector = !request.words_only && !request.text.trim().is_empty();
    let vector = match vector {
        None if wants_vector => match engine.question_vector(collection, &request.text).await {
            Ok(made) => made.map(|made| {
                answer.truncated = made.truncated;
                made.vector
            }),
            // Words are as good as an answer can be now, and better than none.
            Err(error) if error.code == Code::DependencyUnavailable => {
                answer.vector_missing = error.message;
                None
            }
            Err(error) => return Err(error),
        },
        given => given,
    };
    let question = Question {
        npc,
        text: request.text,
        vector,
        count,
        criteria,
        own_only,
        profile: profile.unwrap_or(collection.profile),
        now_us,
    };
    let recalled = engine.recall(collection, &question).await?;
    answer.candidates = recalled.candidates as i64;
    for (entry, scored) in recalled.memories {
        if !request.without_access {
            engine.note_access(&collection.name, &entry.memory, now_us);
        }
        answer.memories.push(pb::RecalledMemory {
            memory: Some(parse::shown(&engine, &known, &entry)),
            score: scored.score,
            explanation: request.explain.then(|| to_explanation(&scored)),
        });
    }
    Ok(answer)
}
