//! A collection: what all vectors in it have in common, and what its memories can be filtered by.

use super::{Name, Profile};
use crate::document::{Filter, Map};
use crate::{Code, Error, Result};

/// How many numbers a vector has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimension(u16);

impl Dimension {
    pub const MAX: u16 = 4_096;

    pub fn new(numbers: i64) -> Result<Self> {
        match u16::try_from(numbers) {
            Ok(numbers) if (1..=Self::MAX).contains(&numbers) => Ok(Self(numbers)),
            _ => Err(Error::invalid("dimension", "accepts 1 to 4096")),
        }
    }

    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// What is near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The angle; lengths mean nothing.
    Cosine,
    /// The inner product.
    Dot,
    /// The distance, negated so that more is nearer.
    Euclidean,
}

impl Metric {
    pub const ALL: [Self; 3] = [Self::Cosine, Self::Dot, Self::Euclidean];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclidean => "euclidean",
        }
    }

    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == text)
    }
}

/// The model that made a vector. Vectors of two models or versions say nothing about each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    pub name: Name,
    /// Empty where the model has no versions.
    pub version: String,
}

impl Model {
    const VERSION_BYTES_MAX: usize = 64;

    pub fn parse(name: &str, version: &str) -> Result<Self> {
        if version.len() > Self::VERSION_BYTES_MAX || version.chars().any(char::is_control) {
            let what = "accepts at most 64 bytes without control characters";
            return Err(Error::invalid("model.version", what));
        }
        Ok(Self { name: Name::parse("model.name", name)?, version: version.to_owned() })
    }
}

/// What the memories of a collection have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    pub name: Name,
    pub dimension: Dimension,
    pub metric: Metric,
    pub model: Model,
    /// The names of the metadata that filters may ask for.
    pub filterable: Vec<Name>,
    /// Memories of one NPC that are remembered at once; 0 for no bound.
    pub budget: u32,
    /// How recall orders unless it is told otherwise.
    pub profile: Profile,
    pub version: u64,
}

impl Collection {
    pub const FILTERABLE_MAX: usize = 64;
    /// The metadata of one memory, as JSON in bytes.
    pub const METADATA_BYTES_MAX: usize = 16 << 10;

    /// The fields of a memory that filters may ask for beside its metadata.
    pub const FIELDS: [&str; 8] = [
        "created_at",
        "importance",
        "kind",
        "npc_id",
        "pinned",
        "subjects",
        "visibility",
        "witnesses",
    ];

    /// Whether a filter asks for nothing that memories of this collection cannot be asked for. A field
    /// that nobody knows would be absent everywhere, and its filter silently right or wrong for all.
    pub fn check_filter(&self, filter: &Filter) -> Result<()> {
        if filter.needs_aggregate() {
            let what = "`_type` and its like are for aggregates; memories have fields and metadata";
            return Err(Error::invalid("filter", what));
        }
        for path in filter.fields() {
            let mut names = path.segments();
            let known = match names.next().as_deref() {
                Some("metadata") => names
                    .next()
                    .is_some_and(|name| self.filterable.iter().any(|known| known.as_str() == name)),
                Some(name) => Self::FIELDS.contains(&name),
                None => false,
            };
            if !known {
                return Err(Error::invalid(
                    "filter",
                    format!("{}: is not a field that can be filtered by", path.as_str()),
                )
                .with_fact("fields", self.fields_told()));
            }
        }
        Ok(())
    }

    /// Whether the metadata fits into a memory.
    pub fn check_metadata(metadata: &Map) -> Result<()> {
        crate::document::check_limits(&crate::document::Value::Map(metadata.clone()))
    }

    fn fields_told(&self) -> String {
        let own = self.filterable.iter().map(|name| format!("metadata.{name}"));
        let fields = Self::FIELDS.iter().map(|name| (*name).to_owned());
        fields.chain(own).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a vector can stand in a collection: of its dimension, finite, and with a direction where
/// the metric asks for one.
pub fn check_vector(
    field: &str,
    vector: &[f32],
    dimension: Dimension,
    metric: Metric,
) -> Result<()> {
    if vector.len() != dimension.get() {
        let what = format!("accepts {} numbers, has {}", dimension.get(), vector.len());
        return Err(Error::invalid(field, what));
    }
    if let Some(at) = vector.iter().position(|number| !number.is_finite()) {
        return Err(Error::invalid(field, format!("number {at} is not finite")));
    }
    let has_length = vector.iter().any(|number| *number != 0.0);
    if metric == Metric::Cosine && !has_length {
        return Err(Error::invalid(field, "a vector of zeros has no direction"));
    }
    Ok(())
}

impl Collection {
    /// Whether a vector was made by the model of this collection.
    pub fn check_model(&self, model: &Model) -> Result<()> {
        if self.model == *model {
            return Ok(());
        }
        let told = |model: &Model| match &*model.version {
            "" => model.name.to_string(),
            version => format!("{} {version}", model.name),
        };
        let what = format!("the collection is of {}, not of {}", told(&self.model), told(model));
        Err(Error::new(Code::InvalidArgument, format!("model: {what}")).with_field("model", what))
    }
}
