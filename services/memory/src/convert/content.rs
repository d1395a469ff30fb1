//! What a caller says of a memory.

use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::Map;
use gamemesh_domain::memory::{
    Collection, Kind, MEMORY_TEXT_BYTES_MAX, MemoryId, Model, NAMES_MAX, Name, Visibility,
    check_vector,
};
use gamemesh_domain::{Error, Result};

use super::time::from_timestamp;
use super::value::{from_struct, without_nul};
use super::{collection, json};

const IMPORTANCE_DEFAULT: f64 = 5.0;

/// What a caller says of a memory, checked.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) text: Arc<str>,
    pub(crate) vector: Option<Vec<f32>>,
    pub(crate) kind: Kind,
    pub(crate) importance: f64,
    pub(crate) metadata: Map,
    pub(crate) subjects: Vec<Name>,
    pub(crate) witnesses: Vec<Name>,
    pub(crate) visibility: Visibility,
    pub(crate) sources: Vec<MemoryId>,
    pub(crate) pinned: bool,
    pub(crate) created_us: Option<i64>,
    pub(crate) valid_from_us: Option<i64>,
    pub(crate) valid_until_us: Option<i64>,
    pub(crate) supersedes: Option<MemoryId>,
}

#[expect(clippy::needless_pass_by_value, reason = "a message is taken apart once")]
pub(crate) fn from_content(collection: &Collection, content: pb::MemoryContent) -> Result<Content> {
    let kind = kind(content.kind())?.unwrap_or(Kind::Observation);
    let visibility = match content.visibility() {
        pb::Visibility::Unspecified | pb::Visibility::Private => Visibility::Private,
        pb::Visibility::Witnesses => Visibility::Witnesses,
        pb::Visibility::Shared => Visibility::Shared,
    };
    let time = |field: &str, time: &Option<prost_types::Timestamp>| {
        time.as_ref().map(|time| from_timestamp(field, time)).transpose()
    };
    let made = Content {
        vector: vector(
            collection,
            "content.vector",
            content.vector.clone(),
            content.model.as_ref(),
        )?,
        kind,
        importance: importance(content.importance)?,
        metadata: metadata(content.metadata.clone().unwrap_or_default())?,
        subjects: names("content.subjects", &content.subjects)?,
        witnesses: names("content.witnesses", &content.witnesses)?,
        visibility,
        sources: ids(&content.sources)?,
        pinned: content.pinned,
        created_us: time("content.createdAt", &content.created_at)?,
        valid_from_us: time("content.validFrom", &content.valid_from)?,
        valid_until_us: time("content.validUntil", &content.valid_until)?,
        supersedes: match &*content.supersedes {
            "" => None,
            id => Some(id.parse()?),
        },
        text: text(&content.text)?,
    };
    if made.text.trim().is_empty() && made.vector.is_none() {
        return Err(Error::invalid("content.text", "is required without a vector"));
    }
    if let (Some(from), Some(until)) = (made.valid_from_us, made.valid_until_us)
        && from >= until
    {
        return Err(Error::invalid("content.validUntil", "lies after validFrom"));
    }
    Ok(made)
}

pub(crate) fn text(text: &str) -> Result<Arc<str>> {
    if text.len() > MEMORY_TEXT_BYTES_MAX {
        let what = format!("accepts at most {MEMORY_TEXT_BYTES_MAX} bytes, has {}", text.len());
        return Err(Error::invalid("content.text", what));
    }
    without_nul("content.text", text)?;
    Ok(text.into())
}

/// A vector that can stand in the collection; none if it is empty.
pub(crate) fn vector(
    collection: &Collection,
    field: &str,
    vector: Vec<f32>,
    model: Option<&pb::Model>,
) -> Result<Option<Vec<f32>>> {
    if let Some(model) = model {
        collection.check_model(&Model::parse(&model.name, &model.version)?)?;
    }
    if vector.is_empty() {
        return Ok(None);
    }
    check_vector(field, &vector, collection.dimension, collection.metric)?;
    Ok(Some(vector))
}

pub(crate) fn kind(kind: pb::MemoryKind) -> Result<Option<Kind>> {
    Ok(match kind {
        pb::MemoryKind::Unspecified => None,
        pb::MemoryKind::Observation => Some(Kind::Observation),
        pb::MemoryKind::Reflection => Some(Kind::Reflection),
        pb::MemoryKind::Fact => Some(Kind::Fact),
        pb::MemoryKind::Goal => Some(Kind::Goal),
        pb::MemoryKind::Conversation => Some(Kind::Conversation),
    })
}

pub(crate) fn importance(importance: Option<f64>) -> Result<f64> {
    let importance = importance.unwrap_or(IMPORTANCE_DEFAULT);
    match (0.0..=10.0).contains(&importance) {
        true => Ok(importance),
        false => Err(Error::invalid("content.importance", "accepts 0 to 10")),
    }
}

pub(crate) fn metadata(metadata: prost_types::Struct) -> Result<Map> {
    let map = from_struct("content.metadata", metadata)?;
    Collection::check_metadata(&map)?;
    if json::text(&map).len() > Collection::METADATA_BYTES_MAX {
        return Err(Error::invalid("content.metadata", "accepts at most 16384 bytes as JSON"));
    }
    Ok(map)
}

pub(crate) fn names(field: &str, names: &[String]) -> Result<Vec<Name>> {
    if names.len() > NAMES_MAX {
        return Err(Error::invalid(field, format!("accepts at most {NAMES_MAX}")));
    }
    let mut parsed: Vec<Name> =
        names.iter().map(|name| Name::parse(field, name)).collect::<Result<_>>()?;
    parsed.sort_unstable();
    parsed.dedup();
    Ok(parsed)
}

fn ids(ids: &[String]) -> Result<Vec<MemoryId>> {
    if ids.len() > NAMES_MAX {
        return Err(Error::invalid("content.sources", format!("accepts at most {NAMES_MAX}")));
    }
    let parse = |id: &String| {
        id.parse().map_err(|_| Error::invalid("content.sources", "accepts ids of memories"))
    };
    let mut parsed: Vec<MemoryId> = ids.iter().map(parse).collect::<Result<_>>()?;
    parsed.sort_unstable();
    parsed.dedup();
    Ok(parsed)
}

/// The content as it is shown.
pub(crate) fn to_content(
    memory: &gamemesh_domain::memory::Memory,
    model: Option<&Model>,
    vector: Option<Vec<f32>>,
) -> pb::MemoryContent {
    let texts = |names: &[Name]| names.iter().map(ToString::to_string).collect();
    let time = |time: Option<i64>| time.map(super::time::to_timestamp);
    pb::MemoryContent {
        text: memory.text.to_string(),
        vector: vector.unwrap_or_default(),
        model: model.map(collection::to_model),
        kind: match memory.kind {
            Kind::Observation => pb::MemoryKind::Observation,
            Kind::Reflection => pb::MemoryKind::Reflection,
            Kind::Fact => pb::MemoryKind::Fact,
            Kind::Goal => pb::MemoryKind::Goal,
            Kind::Conversation => pb::MemoryKind::Conversation,
        }
        .into(),
        importance: Some(memory.importance),
        metadata: (!memory.metadata.is_empty()).then(|| super::value::to_struct(&memory.metadata)),
        subjects: texts(&memory.subjects),
        witnesses: texts(&memory.witnesses),
        visibility: match memory.visibility {
            Visibility::Private => pb::Visibility::Private,
            Visibility::Witnesses => pb::Visibility::Witnesses,
            Visibility::Shared => pb::Visibility::Shared,
        }
        .into(),
        sources: memory.sources.iter().map(ToString::to_string).collect(),
        pinned: memory.pinned,
        created_at: time(Some(memory.created_us)),
        valid_from: time(memory.valid_from_us),
        valid_until: time(memory.valid_until_us),
        supersedes: String::new(),
    }
}
