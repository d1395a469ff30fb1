//! Memories as they are answered, and what is asked of them.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::{
    Collection, Criteria, Forgotten, Memory, Name, Scored, Span, Term, strength,
};
use gamemesh_domain::{Error, Result};
use gamemesh_repository::EmbeddingState;

use super::content::{kind, names, to_content};
use super::time::{from_timestamp, to_timestamp};

/// What an answer shows of a memory beside itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) collection: &'a Collection,
    pub(crate) embedding: EmbeddingState,
    pub(crate) now_us: i64,
}

pub(crate) fn to_memory(memory: &Memory, shown: Shown<'_>, vector: Option<Vec<f32>>) -> pb::Memory {
    let model = (shown.embedding == EmbeddingState::Done).then_some(&shown.collection.model);
    pb::Memory {
        memory_id: memory.id.to_string(),
        collection_id: shown.collection.name.to_string(),
        npc_id: memory.npc.to_string(),
        content: Some(to_content(memory, model, vector)),
        version: memory.version as i64,
        stored_at: Some(to_timestamp(memory.stored_us)),
        accessed_at: Some(to_timestamp(memory.accessed_us)),
        accesses: memory.accesses as i64,
        embedding: match shown.embedding {
            EmbeddingState::None => pb::EmbeddingState::None,
            EmbeddingState::Pending => pb::EmbeddingState::Pending,
            EmbeddingState::Done => pb::EmbeddingState::Done,
            EmbeddingState::Failed => pb::EmbeddingState::Failed,
        }
        .into(),
        forgotten: match memory.forgotten {
            None => pb::ForgetReason::Unspecified,
            Some(Forgotten::Asked) => pb::ForgetReason::Asked,
            Some(Forgotten::Evicted) => pb::ForgetReason::Evicted,
            Some(Forgotten::Merged) => pb::ForgetReason::Merged,
            Some(Forgotten::Superseded) => pb::ForgetReason::Superseded,
        }
        .into(),
        replaced_by: memory.replaced_by.map(|id| id.to_string()).unwrap_or_default(),
        merged: memory.merged as i64,
        strength: strength(memory, shown.now_us),
    }
}

/// Which memories, and whether only the NPC's own.
pub(crate) fn from_filter(
    collection: &Collection,
    filter: Option<pb::MemoryFilter>,
    now_us: i64,
) -> Result<(Criteria, bool)> {
    let filter = filter.unwrap_or_default();
    let time = |field: &str, time: &Option<prost_types::Timestamp>| {
        time.as_ref().map(|time| from_timestamp(field, time)).transpose()
    };
    let kinds = filter.kinds().map(kind).collect::<Result<Vec<_>>>()?;
    if filter.kinds.iter().any(|kind| pb::MemoryKind::try_from(*kind).is_err()) {
        return Err(Error::invalid("filter.kinds", "accepts values of MemoryKind"));
    }
    let valid_at = time("filter.validAt", &filter.valid_at)?;
    if valid_at.is_some() && filter.any_validity {
        return Err(Error::invalid("filter.anyValidity", "contradicts validAt"));
    }
    let predicate = filter.filter.parse()?;
    collection.check_filter(&predicate)?;
    let criteria = Criteria {
        kinds: kinds.into_iter().flatten().collect(),
        subjects: names("filter.subjects", &filter.subjects)?,
        created: Span {
            from_us: time("filter.createdFrom", &filter.created_from)?,
            until_us: time("filter.createdUntil", &filter.created_until)?,
        },
        valid_at_us: (!filter.any_validity).then_some(valid_at.unwrap_or(now_us)),
        filter: predicate,
        with_forgotten: filter.with_forgotten,
    };
    Ok((criteria, filter.own_only))
}

pub(crate) fn to_explanation(scored: &Scored) -> pb::ScoreExplanation {
    let term = |term: Term| {
        Some(pb::ScoreTerm { raw: term.raw, scaled: term.scaled, weighted: term.weighted })
    };
    pb::ScoreExplanation {
        score: scored.score,
        relevance: term(scored.relevance),
        recency: term(scored.recency),
        importance: term(scored.importance),
        similarity: scored.similarity,
        words: scored.words,
        words_share: scored.words_share,
    }
}

pub(crate) fn npc(id: &str) -> Result<Name> {
    Name::parse("npcId", id)
}
