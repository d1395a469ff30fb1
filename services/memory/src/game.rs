//! What the world is and what was done in it: entities, worlds, plots and streams are documents on the
//! memory log; the history of players is rows.

mod decide;
pub(crate) mod entities;
mod history;
pub(crate) mod streams;
mod tables;

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_documents::{
    Action, DocumentMetrics, Documents, DocumentsConfig, Freshness, Host, Part, TypeSource,
    Unobserved, Write, Written,
};
use gamemesh_domain::document::{
    Aggregate, AggregateId, Command, Declaration, Expectation, Schema, Value,
};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::Cut;
use gamemesh_repository::{Idempotency, MemoryTables, StreamName, TableMark};
use gamemesh_rpc::caller::Caller;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Task;
use prost::Message as _;
use prost_types::Timestamp;
use uuid::Uuid;

pub(crate) use self::decide::Document;
use self::tables::EntityRows;
use crate::config::{MemoryConfig, Stores};
use crate::convert::time::from_timestamp;

/// The types of documents. Streams have events and no state.
pub(crate) const ENTITY: &str = "entity";
pub(crate) const WORLD: &str = "world";
pub(crate) const PLOT: &str = "plot";
pub(crate) const STREAM: &str = "stream";

pub(crate) struct Game {
    pub(crate) documents: Arc<Documents>,
    pub(crate) tables: Arc<dyn MemoryTables>,
    pub(crate) clock: Clock,
}

/// One write to one document.
pub(crate) struct Order {
    pub(crate) stream: StreamName,
    pub(crate) expected: Expectation,
    pub(crate) commands: Vec<Command>,
    pub(crate) event_ids: Vec<Uuid>,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) metadata: Bytes,
}

impl Game {
    pub(crate) async fn open(
        stores: &Stores,
        config: &MemoryConfig,
        clock: Clock,
        metrics: &Metrics,
    ) -> Result<(Arc<Self>, Vec<Task>)> {
        let tables = stores.tables.clone();
        let rows = EntityRows { documents: stores.writer.clone(), copies: stores.copies.clone() };
        let host = Host { tables: Arc::new(rows), summary: None, observer: Arc::new(Unobserved) };
        let types = TypeSource {
            builtin: [ENTITY, WORLD, PLOT, STREAM]
                .into_iter()
                .map(schema)
                .collect::<Result<_>>()?,
            decode: |_| Err(Error::internal("the memory log holds no types of users")),
        };
        let settings = DocumentsConfig {
            token_secret: config.token_secret.clone(),
            token_age_max: config.token_age_max,
            shared_reply_max: config.shared_reply_max,
            ..DocumentsConfig::of("memory")
        };
        let families =
            DocumentMetrics::register(metrics, "memory", |name| format!("memory_documents_{name}"));
        let on = gamemesh_documents::Stores {
            log: stores.log.clone(),
            snapshots: stores.snapshots.clone(),
            cursors: stores.cursors.clone(),
            tables: stores.documents.clone(),
            shared: stores.shared.clone(),
        };
        let (documents, mut tasks) =
            Documents::open(on, types, host, settings, clock.clone(), families).await?;
        let game = Arc::new(Self { documents, tables, clock });
        game.make_partitions().await?;
        let months = game.clone();
        tasks.push(Task::new("months of history", async move |stop| {
            months.keep_partitions(stop).await;
        }));
        Ok((game, tasks))
    }

    pub(crate) fn stream(&self, kind: &str, field: &str, id: &str) -> Result<StreamName> {
        AggregateId::check(id).map_err(|_| {
            let what = "accepts 1 to 256 bytes of UTF-8 without control characters and without \
                spaces at its ends";
            Error::invalid(field, what)
        })?;
        Ok(StreamName::new(kind, id))
    }

    pub(crate) fn part(&self, order: Order) -> Result<Write> {
        let Order { stream, expected, commands, event_ids, idempotency, metadata } = order;
        let schema = self.documents.types.get(stream.category())?;
        let action = Action::Commands(commands);
        let part = Part { stream, schema, expected, action, event_ids };
        Ok(Write { parts: vec![part], idempotency, metadata })
    }

    /// Makes a write durable, and answers the document right after it.
    pub(crate) async fn write(&self, order: Order) -> Result<(Arc<Aggregate>, Written)> {
        let written = self.documents.write(self.part(order)?).await?;
        Ok((only_aggregate(&written)?, written))
    }

    /// The newest state, at least as new as the tokens say.
    pub(crate) async fn read(&self, stream: &StreamName, token: &str) -> Result<Arc<Aggregate>> {
        let cut = self.documents.read_cut(token)?;
        let answered = self.documents.read(stream, &Freshness::AtLeast(cut)).await?;
        Ok(answered.aggregate)
    }

    /// The state at a version or a time; the newest without either. One that does not exist is an error.
    pub(crate) async fn read_at(
        &self,
        stream: &StreamName,
        version: Option<i64>,
        at_time: Option<&Timestamp>,
        token: &str,
    ) -> Result<Arc<Aggregate>> {
        let newest = match (version, at_time) {
            (None, None) => self.read(stream, token).await?,
            _ => self.documents.read(stream, &Freshness::Strong).await?.aggregate,
        };
        let version = match (version, at_time) {
            (None, None) => newest.version,
            (Some(_), Some(_)) => {
                return Err(Error::invalid("atTime", "give version or atTime, not both"));
            }
            (Some(version), None) => u64::try_from(version)
                .ok()
                .filter(|version| *version <= newest.version)
                .ok_or_else(|| {
                    let what = format!("accepts 0 to {}, the newest version", newest.version);
                    Error::new(Code::OutOfHistory, format!("version: {what}"))
                        .with_field("version", what)
                })?,
            (None, Some(time)) => {
                let time_us = from_timestamp("atTime", time)?;
                if time_us > self.clock.now_micros() {
                    let what = "accepts an instant that has passed";
                    return Err(Error::new(Code::OutOfHistory, format!("atTime: {what}"))
                        .with_field("atTime", what));
                }
                self.documents.log.version_at(stream, time_us).await?
            }
        };
        let aggregate = match version == newest.version {
            true => newest,
            false => self.documents.history.state_at(stream, version).await?,
        };
        match aggregate.exists() {
            true => Ok(aggregate),
            false => Err(not_found(stream)),
        }
    }

    /// What tables show by now: everything that was acknowledged here, and what the tokens name.
    pub(crate) async fn tables_written(&self, token: &str) -> Result<TableMark> {
        let mut cut: Cut = self.documents.feed.committed();
        cut.raise_all(&self.documents.read_cut(token)?);
        self.documents.feed.catch_up("token", &cut).await?;
        self.documents.projector.written(&cut).await?;
        let projection = self.documents.projector.name().to_owned();
        Ok(TableMark { projection, positions: cut.0 })
    }
}

fn schema(name: &str) -> Result<Schema> {
    Schema::new(Declaration {
        type_name: name.parse()?,
        description: String::new(),
        fields: Vec::new(),
        open: true,
        validators: Vec::new(),
        builtin: true,
    })
}

pub(crate) fn only_aggregate(written: &Written) -> Result<Arc<Aggregate>> {
    match &*written.parts {
        [part] => Ok(part.aggregate.clone()),
        _ => Err(Error::internal("one document was written and another number answered")),
    }
}

pub(crate) fn not_found(stream: &StreamName) -> Error {
    Error::new(Code::NotFound, format!("{} {:?} does not exist", stream.category(), stream.key()))
}

/// Who causes what a request writes, as the history keeps it.
pub(crate) fn metadata(caller: &Caller) -> Result<Bytes> {
    let cause = caller.cause("")?;
    let metadata = EventMetadata {
        correlation_id: cause.correlation_id,
        actor: cause.actor,
        traceparent: cause.traceparent,
        ..EventMetadata::default()
    };
    Ok(metadata.encode_to_vec().into())
}

/// A field of a document, null if it is not there.
pub(crate) fn field<'a>(state: &'a Value, name: &str) -> &'a Value {
    const NULL: &Value = &Value::Null;
    state.child(name).unwrap_or(NULL)
}
