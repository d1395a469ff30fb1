//! One row as an operation.

use gamemesh_facts::wire::MethodOptions;
use gamemesh_facts::{Effect, MethodFacts, Retry};
use gamemesh_rpc::auth::Role;
use gamemesh_rpc::methods;
use prost_reflect::prost::Message as _;
use serde_json::{Map, Value, json};

use crate::json::takes_text;
use crate::schema::{Cardinality, Message, MessageId, Shape};
use crate::table::{BodyRule, Row};

use super::Context;
use super::path::PathParameter;
use super::schemas::Use;

/// How deep query parameters reach into nested messages.
const QUERY_DEPTH_MAX: usize = 4;

pub(super) fn operation(
    context: &mut Context<'_>,
    row: &Row,
    id: &str,
    path: &[PathParameter],
) -> Value {
    let descriptor = &row.rpc.descriptor;
    let mut operation = Map::new();
    operation.insert("operationId".into(), id.into());
    operation.insert("tags".into(), json!([descriptor.parent_service().name()]));
    if let Some(text) = context.comments.of(&descriptor.parent_file(), descriptor.path()) {
        let line = text.replace('\n', " ");
        let summary = line.split(". ").next().unwrap_or("").trim_end_matches('.').to_owned();
        operation.insert("summary".into(), summary.into());
        operation.insert("description".into(), text.into());
    }
    let mut parameters: Vec<_> =
        path.iter().map(|parameter| path_parameter(context, row, parameter)).collect();
    if row.body != BodyRule::Whole {
        query_parameters(context, row, &mut parameters);
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
    if let Some(body) = request_body(context, row) {
        operation.insert("requestBody".into(), body);
    }
    operation.insert("responses".into(), responses(context, row));
    operation.insert("x-rpc".into(), row.rpc.name.clone().into());
    if let Some(facts) = facts(row) {
        let roles: Vec<&str> = methods::roles(&facts).iter().map(Role::as_str).collect();
        operation.insert("x-roles".into(), roles.into());
        let effect = if facts.effect() == Effect::Read { "read" } else { "write" };
        operation.insert("x-effect".into(), effect.into());
        let retry = match facts.retry() {
            Retry::Safe => "safe",
            Retry::WithKey => "with key",
            Retry::Never | Retry::Unspecified => "never",
        };
        operation.insert("x-retry".into(), retry.into());
    }
    if row.rpc.client_streaming || row.rpc.server_streaming {
        let stream = match (row.rpc.client_streaming, row.rpc.server_streaming) {
            (true, true) => "both",
            (true, false) => "client",
            _ => "server",
        };
        operation.insert("x-stream".into(), stream.into());
    }
    Value::Object(operation)
}

/// What the contract declares about the method; foreign contracts need not.
fn facts(row: &Row) -> Option<MethodFacts> {
    let options = row.rpc.descriptor.options().encode_to_vec();
    MethodOptions::decode(&*options).ok()?.facts.filter(MethodFacts::is_complete)
}

fn path_parameter(context: &mut Context<'_>, row: &Row, parameter: &PathParameter) -> Value {
    let mut schema = json!({"type": "string", "minLength": if parameter.rest { 0 } else { 1 }});
    let mut description = None;
    if let Some(bound) = parameter.variable.map(|v| &row.bound[v]) {
        let (message, field) = leaf(context, row.rpc.input, bound);
        description = context.schemas.field_comment(&mut context.comments, message, field);
        if parameter.whole && !parameter.rest {
            let field = &message.fields[field];
            let typed = context.schemas.value(context.schema, field.kind, Use::Request);
            if typed.get("type") != Some(&"string".into()) || typed.get("format").is_some() {
                schema = typed;
            }
        }
    }
    if parameter.rest {
        let note = "May hold several segments with / between them.";
        description = Some(description.map_or(note.to_owned(), |text| format!("{text}\n\n{note}")));
    }
    let mut value =
        json!({"name": parameter.name, "in": "path", "required": true, "schema": schema});
    if let Some(text) = description {
        value["description"] = text.into();
    }
    value
}

fn leaf<'s>(context: &Context<'s>, input: MessageId, path: &[usize]) -> (&'s Message, usize) {
    let mut message = context.schema.message(input);
    for index in &path[..path.len() - 1] {
        message = context.schema.message_of(&message.fields[*index]).unwrap_or(message);
    }
    (message, path[path.len() - 1])
}

fn query_parameters(context: &mut Context<'_>, row: &Row, parameters: &mut Vec<Value>) {
    let mut walk =
        QueryWalk { row, parameters, path: Vec::new(), name: Vec::new(), open: Vec::new() };
    walk.message(context, row.rpc.input);
}

struct QueryWalk<'w> {
    row: &'w Row,
    parameters: &'w mut Vec<Value>,
    path: Vec<usize>,
    name: Vec<String>,
    /// The messages that the path goes through: a recursive one is not entered again.
    open: Vec<MessageId>,
}

impl QueryWalk<'_> {
    fn message(&mut self, context: &mut Context<'_>, id: MessageId) {
        if self.open.contains(&id) || self.open.len() >= QUERY_DEPTH_MAX {
            return;
        }
        self.open.push(id);
        let schema = context.schema;
        let message = schema.message(id);
        for (index, field) in message.fields.iter().enumerate() {
            self.path.push(index);
            self.name.push(field.json_name.clone());
            let taken = self.row.bound.contains(&self.path)
                || (self.path.len() == 1 && self.row.body == BodyRule::Field(index));
            if taken {
                // The path or the body sets it.
            } else if takes_text(schema, field) {
                let parameter = self.parameter(context, message, index);
                self.parameters.push(parameter);
            } else if let (Cardinality::Singular { .. }, crate::schema::Kind::Message(inner)) =
                (field.cardinality, field.kind)
                && schema.message(inner).shape == Shape::Plain
            {
                self.message(context, inner);
            }
            self.name.pop();
            self.path.pop();
        }
        self.open.pop();
    }

    fn parameter(&self, context: &mut Context<'_>, message: &Message, index: usize) -> Value {
        let field = &message.fields[index];
        let item = context.schemas.value(context.schema, field.kind, Use::Request);
        let mut value = json!({"name": self.name.join("."), "in": "query"});
        value["schema"] = match field.cardinality {
            Cardinality::Repeated { .. } => json!({"type": "array", "items": item}),
            _ => item,
        };
        if let Some(text) = context.schemas.field_comment(&mut context.comments, message, index) {
            value["description"] = text.into();
        }
        value
    }
}

fn request_body(context: &mut Context<'_>, row: &Row) -> Option<Value> {
    if row.raw_request {
        let raw = json!({"schema": {"type": "string", "format": "binary"}});
        return Some(json!({"content": {"*/*": raw}, "description": "The body as it is."}));
    }
    let message = context.schema.message(row.rpc.input);
    let schema = match row.body {
        BodyRule::None => return None,
        BodyRule::Field(field) => {
            context.schemas.field(context.schema, &message.fields[field], Use::Request)
        }
        BodyRule::Whole => {
            let bound: Vec<usize> =
                row.bound.iter().filter(|path| path.len() == 1).map(|path| path[0]).collect();
            if bound.is_empty() {
                context.schemas.value(
                    context.schema,
                    crate::schema::Kind::Message(row.rpc.input),
                    Use::Request,
                )
            } else {
                let mut object = context.schemas.object(
                    context.schema,
                    &mut context.comments,
                    message,
                    &bound,
                    Use::Request,
                );
                object["additionalProperties"] = false.into();
                object
            }
        }
    };
    let mut content = Map::new();
    content.insert("application/json".into(), json!({"schema": schema}));
    if row.rpc.client_streaming {
        let description = "One message a line, or over a WebSocket one message a frame.";
        content.insert("application/x-ndjson".into(), json!({"schema": schema}));
        return Some(json!({"content": content, "description": description}));
    }
    Some(json!({"content": content}))
}

fn responses(context: &mut Context<'_>, row: &Row) -> Value {
    let output = context.schema.message(row.rpc.output);
    let schema = match row.response_body {
        None => context.schemas.value(
            context.schema,
            crate::schema::Kind::Message(row.rpc.output),
            Use::Response,
        ),
        Some(field) => context.schemas.field(context.schema, &output.fields[field], Use::Response),
    };
    let (description, content) = if row.raw_answer {
        ("The body as it is.", json!({"*/*": {"schema": {"type": "string", "format": "binary"}}}))
    } else if row.rpc.server_streaming {
        (
            "A stream: one message a line, or one a server-sent event, or one a WebSocket frame.",
            json!({"application/x-ndjson": {"schema": schema}, "text/event-stream": {"schema": schema}}),
        )
    } else {
        ("The answer.", json!({"application/json": {"schema": schema}}))
    };
    let status = context.schemas.status();
    json!({
        "200": {"description": description, "content": content},
        "default": {"description": "A refusal.", "content": {"application/json": {"schema": status}}},
    })
}
