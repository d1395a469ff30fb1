//! The registered types: those that ship, and those that users add.
//!
//! A user's type is an aggregate of the internal type `_type`, so that it is as durable and versioned
//! as the states that it describes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use gamemesh_domain::document::{Aggregate, AggregateType, Declaration, Schema, Value};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::Cut;
use gamemesh_repository::{DocumentTables, EventLog, StreamName, Version};

use crate::history::History;

/// Category of the streams that hold types.
pub const TYPE_CATEGORY: &str = "_type";

/// Types that a store can hold.
const TYPES_MAX: usize = 1_000;

const LIST_ROWS_MAX: usize = 1_000;

/// Events after the tables that are read at once.
const TAIL_EVENTS_MAX: usize = 1_024;

type Schemas = BTreeMap<AggregateType, Registered>;

#[derive(Clone)]
struct Registered {
    schema: Arc<Schema>,
    /// Of the aggregate that holds the type; 0 for one that ships.
    version: Version,
}

/// The types of a service: those that ship with it, and how a registered one is stored.
pub struct TypeSource {
    pub builtin: Vec<Schema>,
    /// Reads the declaration that the state of a stored type holds.
    pub decode: fn(&Value) -> Result<Declaration>,
}

/// The registry of types.
pub struct Types {
    schemas: ArcSwap<Schemas>,
    decode: fn(&Value) -> Result<Declaration>,
}

impl Types {
    /// The types that ship and those that the store holds.
    ///
    /// The tables may lag behind the log, so what comes after them is read from the log: a type that was
    /// acknowledged must not be unknown after a crash.
    pub(crate) async fn open(
        source: TypeSource,
        history: &History,
        log: &dyn EventLog,
        tables: &dyn DocumentTables,
        projected: &Cut,
    ) -> Result<Self> {
        let TypeSource { builtin, decode } = source;
        let schemas = builtin.into_iter().map(|schema| {
            let schema = Arc::new(schema);
            (schema.type_name().clone(), Registered { schema, version: 0 })
        });
        let types = Self { schemas: ArcSwap::from_pointee(schemas.collect()), decode };
        let page = tables.list(TYPE_CATEGORY, None, LIST_ROWS_MAX).await?;
        let mut streams: BTreeSet<StreamName> =
            page.rows.iter().map(|row| StreamName::new(TYPE_CATEGORY, &row.id)).collect();
        for &(lane, mut position) in &projected.0 {
            loop {
                let events = log.read_lane(lane, position, TAIL_EVENTS_MAX).await?;
                let Some(last) = events.last() else { break };
                position = last.position;
                let streams_of = events.into_iter().map(|event| event.stream);
                streams.extend(streams_of.filter(|stream| stream.category() == TYPE_CATEGORY));
            }
        }
        for stream in streams {
            let aggregate = history.newest(&stream).await?;
            types.learn(&aggregate)?;
        }
        Ok(types)
    }

    /// Takes a stored type into the registry.
    pub(crate) fn learn(&self, aggregate: &Aggregate) -> Result<()> {
        if let Some(state) = aggregate.present() {
            self.put((self.decode)(state)?, aggregate.version)?;
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Result<Arc<Schema>> {
        let schema = self.schemas.load().get(name).map(|registered| registered.schema.clone());
        schema.ok_or_else(|| {
            let known: Vec<String> = self.schemas.load().keys().map(ToString::to_string).collect();
            let what = format!("accepts a registered type: {}", known.join(", "));
            Error::new(Code::UnknownType, format!("type {name:?} is not registered"))
                .with_field("type", what)
        })
    }

    pub fn all(&self) -> Vec<Arc<Schema>> {
        self.schemas.load().values().map(|registered| registered.schema.clone()).collect()
    }

    /// Whether a declaration may be registered.
    pub fn check(&self, declaration: &Declaration) -> Result<()> {
        let schemas = self.schemas.load();
        match schemas.get(&declaration.type_name).map(|registered| &registered.schema) {
            Some(present) if present.declaration().builtin => Err(Error::invalid(
                "type",
                "a type that ships with the product cannot be registered anew",
            )),
            Some(present) => merge_kept(present.declaration(), declaration),
            None if schemas.len() >= TYPES_MAX => {
                Err(Error::invalid("type", format!("at most {TYPES_MAX} types can be registered")))
            }
            None => Ok(()),
        }
    }

    /// Takes a version of a declaration into the registry, unless a later one is there: callers come in
    /// no order, and the projector comes after them.
    pub fn put(&self, declaration: Declaration, version: Version) -> Result<Arc<Schema>> {
        let schema = Arc::new(Schema::new(declaration)?);
        self.schemas.rcu(|schemas| {
            let mut schemas = Schemas::clone(schemas);
            let present = schemas.get(schema.type_name());
            if present.is_none_or(|present| present.version < version) {
                let registered = Registered { schema: schema.clone(), version };
                schemas.insert(schema.type_name().clone(), registered);
            }
            schemas
        });
        Ok(schema)
    }
}

/// How a field merges is fixed once it is declared: regions that disagree about it could not agree
/// about its value.
fn merge_kept(present: &Declaration, new: &Declaration) -> Result<()> {
    for field in &new.fields {
        let before = present.fields.iter().find(|before| before.path == field.path);
        if before.is_some_and(|before| before.merge != field.merge) {
            return Err(Error::invalid(
                format!("schema.fields.{}", field.path),
                "how a field merges cannot change",
            ));
        }
    }
    Ok(())
}

/// The stream that holds a type.
pub fn type_stream(name: &AggregateType) -> StreamName {
    StreamName::new(TYPE_CATEGORY, name.as_str())
}

/// The schema of the aggregates that hold types: what is in them is checked before they are written.
pub fn schema_of_types() -> Result<Arc<Schema>> {
    let declaration = Declaration {
        type_name: "type".parse()?,
        description: "Definitions of types".to_owned(),
        fields: Vec::new(),
        open: true,
        validators: Vec::new(),
        builtin: true,
    };
    Schema::new(declaration).map(Arc::new)
}
