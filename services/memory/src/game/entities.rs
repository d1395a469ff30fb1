//! Entities: a type and data.

use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::{Aggregate, Command, Expectation, Map, Value};
use gamemesh_domain::memory::Name;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::StreamName;
use gamemesh_rpc::caller::Caller;

use super::{ENTITY, Game, Order, field, metadata, not_found};
use crate::convert::time::to_timestamp;
use crate::convert::value::{from_struct, to_struct};

/// The data of an entity, as JSON in bytes.
const DATA_BYTES_MAX: usize = 1 << 20;

impl Game {
    pub(crate) fn entity_stream(&self, id: &str) -> Result<StreamName> {
        let name = Name::parse("entityId", id)?;
        self.stream(ENTITY, "entityId", name.as_str())
    }

    /// The order that a request is.
    pub(crate) async fn put_order(
        &self,
        caller: &Caller,
        request: pb::PutEntityRequest,
    ) -> Result<Order> {
        let idempotency = caller.idempotency("PutEntity", &request.idempotency_key, &request)?;
        let mut expected = caller.expectation(request.expected_version, false)?;
        let stream = self.entity_stream(&request.entity_id)?;
        let data = data("data", request.data.unwrap_or_default())?;
        let entity_type = match &*request.r#type {
            "" => {
                let present = self.documents.newest(&stream).await?;
                if !present.exists() {
                    return Err(Error::invalid("type", "is required for a new entity"));
                }
                if expected == Expectation::Any {
                    expected = Expectation::MustExist;
                }
                field(&present.state, "type").clone()
            }
            name => Value::text(Name::parse("type", name)?.as_str()),
        };
        let state = Map::from_entries(vec![("data", Value::Map(data)), ("type", entity_type)]);
        Ok(Order {
            stream,
            expected,
            commands: vec![Command::Replace { state: state.into(), create_missing: true }],
            event_ids: Vec::new(),
            idempotency,
            metadata: metadata(caller)?,
        })
    }

    pub(crate) fn patch_order(
        &self,
        caller: &Caller,
        request: pb::PatchEntityRequest,
    ) -> Result<Order> {
        let idempotency = caller.idempotency("PatchEntity", &request.idempotency_key, &request)?;
        let expected = caller.expectation(request.expected_version, true)?;
        let patch = request.patch.ok_or_else(|| Error::invalid("patch", "is required"))?;
        let patch = Map::from_entries(vec![("data", Value::Map(data("patch", patch)?))]);
        Ok(Order {
            stream: self.entity_stream(&request.entity_id)?,
            expected,
            commands: vec![Command::Merge { patch: patch.into(), create_missing: false }],
            event_ids: Vec::new(),
            idempotency,
            metadata: metadata(caller)?,
        })
    }

    /// An entity as it is answered.
    pub(crate) fn shown(&self, stream: &StreamName, aggregate: &Aggregate) -> pb::Entity {
        let token = self.documents.read_token_of(stream);
        pb::Entity { token, ..entity(stream, aggregate) }
    }

    pub(crate) async fn get_entity(&self, id: &str, token: &str) -> Result<pb::Entity> {
        let stream = self.entity_stream(id)?;
        let aggregate: Arc<Aggregate> = self.read(&stream, token).await?;
        match aggregate.exists() {
            true => Ok(self.shown(&stream, &aggregate)),
            false => Err(not_found(&stream)),
        }
    }
}

/// An entity without a token.
pub(crate) fn entity(stream: &StreamName, aggregate: &Aggregate) -> pb::Entity {
    let data = match field(&aggregate.state, "data") {
        Value::Map(map) => to_struct(map),
        _ => prost_types::Struct::default(),
    };
    pb::Entity {
        entity_id: stream.key().to_owned(),
        r#type: field(&aggregate.state, "type").as_text().unwrap_or_default().to_owned(),
        data: Some(data),
        version: aggregate.version as i64,
        created_at: Some(to_timestamp(aggregate.created_at_us)),
        updated_at: Some(to_timestamp(aggregate.updated_at_us)),
        token: String::new(),
    }
}

fn data(name: &str, data: prost_types::Struct) -> Result<Map> {
    let map = from_struct(name, data)?;
    if crate::convert::json::text(&map).len() > DATA_BYTES_MAX {
        let what = format!("accepts at most {DATA_BYTES_MAX} bytes as JSON");
        return Err(
            Error::new(Code::InvalidArgument, format!("{name}: {what}")).with_field(name, what)
        );
    }
    Ok(map)
}
