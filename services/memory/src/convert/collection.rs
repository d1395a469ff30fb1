//! Collections.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::{Collection, Dimension, Metric, Model, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::CollectionRow;
use prost::Message as _;

use super::profile::{from_profile, to_profile};
use super::time::{from_timestamp, to_timestamp};

/// A collection with what only the service knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) collection: Collection,
    pub(crate) created_us: i64,
}

pub(crate) fn from_collection(id: &str, asked: &pb::Collection) -> Result<Collection> {
    if !asked.collection_id.is_empty() && asked.collection_id != id {
        let what = "accepts the id of the path, or nothing";
        return Err(Error::invalid("collection.collectionId", what));
    }
    let model =
        asked.model.as_ref().ok_or_else(|| Error::invalid("collection.model", "is required"))?;
    if asked.filterable.len() > Collection::FILTERABLE_MAX {
        return Err(Error::invalid("collection.filterable", "accepts at most 64 names"));
    }
    let filterable = asked.filterable.iter().map(|name| Name::parse("collection.filterable", name));
    let budget = u32::try_from(asked.budget)
        .map_err(|_| Error::invalid("collection.budget", "accepts 0 or more"))?;
    Ok(Collection {
        name: Name::parse("collectionId", id)?,
        dimension: Dimension::new(asked.dimension.into())?,
        metric: from_metric(asked.metric)?,
        model: Model::parse(&model.name, &model.version)?,
        filterable: filterable.collect::<Result<_>>()?,
        budget,
        profile: asked.profile.as_ref().map(from_profile).transpose()?.unwrap_or_default(),
        version: 0,
    })
}

pub(crate) fn to_collection(
    known: &Known,
    progress: Option<pb::EmbeddingProgress>,
) -> pb::Collection {
    let Known { collection, created_us } = known;
    pb::Collection {
        collection_id: collection.name.to_string(),
        dimension: collection.dimension.get() as i32,
        metric: match collection.metric {
            Metric::Cosine => pb::Metric::Cosine,
            Metric::Dot => pb::Metric::Dot,
            Metric::Euclidean => pb::Metric::Euclidean,
        }
        .into(),
        model: Some(to_model(&collection.model)),
        filterable: collection.filterable.iter().map(ToString::to_string).collect(),
        budget: collection.budget as i32,
        profile: Some(to_profile(&collection.profile)),
        version: collection.version as i64,
        created_at: Some(to_timestamp(*created_us)),
        embedding: progress,
    }
}

pub(crate) fn to_model(model: &Model) -> pb::Model {
    pb::Model { name: model.name.to_string(), version: model.version.clone() }
}

/// As rows name the model of a vector.
pub(crate) fn model_text(model: &Model) -> String {
    match &*model.version {
        "" => model.name.to_string(),
        version => format!("{}@{version}", model.name),
    }
}

fn from_metric(metric: i32) -> Result<Metric> {
    match pb::Metric::try_from(metric) {
        Ok(pb::Metric::Unspecified | pb::Metric::Cosine) => Ok(Metric::Cosine),
        Ok(pb::Metric::Dot) => Ok(Metric::Dot),
        Ok(pb::Metric::Euclidean) => Ok(Metric::Euclidean),
        Err(_) => Err(Error::invalid("collection.metric", "accepts a value of Metric")),
    }
}

/// The row keeps the contract's message.
pub(crate) fn to_row(known: &Known) -> CollectionRow {
    CollectionRow {
        collection: known.collection.name.to_string(),
        version: known.collection.version,
        document: to_collection(known, None).encode_to_vec(),
    }
}

pub(crate) fn from_row(row: &CollectionRow) -> Result<Known> {
    let damaged = || {
        Error::new(Code::DataCorrupted, "stored bytes are damaged")
            .with_context(format!("collection {}", row.collection))
    };
    let message = pb::Collection::decode(&*row.document).map_err(|_| damaged())?;
    let mut collection = from_collection(&row.collection, &message).map_err(|_| damaged())?;
    collection.version = row.version;
    let created = message.created_at.unwrap_or_default();
    Ok(Known { collection, created_us: from_timestamp("createdAt", &created)? })
}
