//! Messages and enums as schemas.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::schema::{Cardinality, EnumId, Field, Kind, Message, MessageId, Schema, Shape};
use crate::table::Table;

use super::comments::Comments;

const INT64_PATTERN: &str = "^-?(0|[1-9][0-9]{0,18})$";
const UINT64_PATTERN: &str = "^(0|[1-9][0-9]{0,19})$";
const DURATION_PATTERN: &str = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$";
const STATUS: &str = "google.rpc.Status";

/// Where a schema is used. What is only ever sent by clients can be closed to unknown fields; what comes
/// back must stay open, or a new field would break older clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Request,
    Response,
}

/// The schemas that were referred to.
pub(super) struct Schemas {
    messages: BTreeMap<String, MessageId>,
    enums: BTreeMap<String, EnumId>,
    in_responses: BTreeSet<String>,
    pool: Option<DescriptorPool>,
}

impl Schemas {
    pub(super) fn new(table: &Table) -> Self {
        let pool = table.rows.first().map(|row| row.rpc.descriptor.parent_pool().clone());
        Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            in_responses: BTreeSet::new(),
            pool,
        }
    }

    /// A field with its cardinality.
    pub(super) fn field(&mut self, schema: &Schema, field: &Field, usage: Use) -> Value {
        match field.cardinality {
            Cardinality::Singular { .. } => self.value(schema, field.kind, usage),
            Cardinality::Repeated { .. } => {
                json!({"type": "array", "items": self.value(schema, field.kind, usage)})
            }
            Cardinality::Map => {
                let value = schema.message_of(field).and_then(|entry| entry.fields.get(1));
                let value = value.map_or(json!({}), |value| self.value(schema, value.kind, usage));
                json!({"type": "object", "additionalProperties": value})
            }
        }
    }

    /// One value of a kind.
    pub(super) fn value(&mut self, schema: &Schema, kind: Kind, usage: Use) -> Value {
        match kind {
            Kind::Double => json!({"type": "number", "format": "double"}),
            Kind::Float => json!({"type": "number", "format": "float"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({"type": "integer", "format": "int32"})
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX})
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({"type": "string", "format": "int64", "pattern": INT64_PATTERN})
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({"type": "string", "format": "uint64", "pattern": UINT64_PATTERN})
            }
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "format": "byte"}),
            // Beside no type `nullable` means nothing.
            Kind::Enum(id) if schema.enumeration(id).is_null => {
                json!({"type": "string", "nullable": true, "enum": [null]})
            }
            Kind::Enum(id) => {
                let name = &schema.enumeration(id).full_name;
                self.enums.insert(name.clone(), id);
                reference(name)
            }
            Kind::Message(id) => self.message(schema, id, usage),
        }
    }

    pub(super) fn field_comment(
        &self,
        comments: &mut Comments,
        message: &Message,
        field: usize,
    ) -> Option<String> {
        let descriptor = self.descriptor(message)?;
        let field = descriptor.get_field(message.fields[field].number)?;
        comments.of(&descriptor.parent_file(), field.path())
    }

    pub(super) fn status(&self) -> Value {
        reference(STATUS)
    }

    /// Every schema that was referred to, and those that they refer to.
    pub(super) fn finish(mut self, schema: &Schema, mut comments: Comments) -> Value {
        let mut done = Map::new();
        done.insert(STATUS.to_owned(), status_schema());
        loop {
            let open: Vec<_> = self
                .messages
                .iter()
                .filter(|(name, _)| !done.contains_key(*name))
                .map(|(n, id)| (n.clone(), *id))
                .collect();
            if open.is_empty() {
                break;
            }
            for (name, id) in open {
                let usage =
                    if self.in_responses.contains(&name) { Use::Response } else { Use::Request };
                let message = schema.message(id);
                let mut object = self.object(schema, &mut comments, message, &[], usage);
                if let Some(descriptor) = self.descriptor(message)
                    && let Some(text) = comments.of(&descriptor.parent_file(), descriptor.path())
                {
                    object["description"] = text.into();
                }
                done.insert(name, object);
            }
        }
        for name in self.messages.keys().filter(|name| !self.in_responses.contains(*name)) {
            done[name]["additionalProperties"] = false.into();
        }
        for (name, id) in &self.enums {
            let mut names: Vec<_> = schema.enumeration(*id).values().collect();
            names.sort_unstable();
            let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
            done.insert(name.clone(), json!({"type": "string", "enum": names}));
        }
        Value::Object(done)
    }

    fn message(&mut self, schema: &Schema, id: MessageId, usage: Use) -> Value {
        let message = schema.message(id);
        match message.shape {
            Shape::Timestamp => json!({"type": "string", "format": "date-time"}),
            Shape::Duration => json!({"type": "string", "pattern": DURATION_PATTERN}),
            Shape::FieldMask => {
                json!({"type": "string", "description": "Field paths with commas between them."})
            }
            Shape::Struct => json!({"type": "object", "additionalProperties": true}),
            Shape::ListValue => json!({"type": "array", "items": {}}),
            // Without a type it is any value, `null` among them.
            Shape::Value => json!({}),
            Shape::Empty => json!({"type": "object"}),
            Shape::Any => any_schema(),
            Shape::Wrapper => {
                let mut value = self.value(schema, message.fields[0].kind, usage);
                value["nullable"] = true.into();
                value
            }
            Shape::Plain | Shape::HttpBody => {
                // A message that was first seen in a request may come back in an answer too, and what it
                // holds comes with it.
                self.messages.insert(message.name.clone(), id);
                if usage == Use::Response && self.in_responses.insert(message.name.clone()) {
                    for field in &message.fields {
                        self.field(schema, field, usage);
                    }
                }
                reference(&message.name)
            }
        }
    }

    /// The object of a message, without the fields that are set elsewhere.
    pub(super) fn object(
        &mut self,
        schema: &Schema,
        comments: &mut Comments,
        message: &Message,
        without: &[usize],
        usage: Use,
    ) -> Value {
        let descriptor = self.descriptor(message);
        let mut properties = Map::new();
        for (index, field) in message.fields.iter().enumerate() {
            if without.contains(&index) {
                continue;
            }
            let mut value = self.field(schema, field, usage);
            let comment = descriptor.as_ref().and_then(|descriptor| {
                let field = descriptor.get_field(field.number)?;
                comments.of(&descriptor.parent_file(), field.path())
            });
            let note = field
                .oneof
                .as_ref()
                .map(|oneof| format!("At most one of the oneof {} is set.", oneof.name));
            let text = [comment, note].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
            if !text.is_empty() {
                // What stands beside a reference is ignored, so the reference is wrapped.
                if value.get("$ref").is_some() {
                    value = json!({"allOf": [value]});
                }
                value["description"] = text.into();
            }
            properties.insert(field.json_name.clone(), value);
        }
        json!({"type": "object", "properties": properties})
    }

    fn descriptor(&self, message: &Message) -> Option<MessageDescriptor> {
        self.pool.as_ref()?.get_message_by_name(&message.name)
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn any_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"@type": {"type": "string", "description": "The type of the message that it holds."}},
        "additionalProperties": true,
    })
}

fn status_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was refused.",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The gRPC status code."},
            "message": {"type": "string", "description": "What is wrong and what is accepted."},
            "details": {
                "type": "array",
                "items": any_schema(),
                "description": "google.rpc.ErrorInfo with a stable reason, BadRequest, RetryInfo and others.",
            },
        },
        "required": ["code", "message", "details"],
    })
}
