//! From descriptors to rows: every name in a rule is looked up here, once.

use std::sync::Arc;

use http::Method;
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::GatewayError;
use crate::choice;
use crate::json::takes_text;
use crate::raw;
use crate::schema::{Cardinality, Kind, MessageId, Schema};
use crate::template::Template;

use super::rule::{Rule, rules_of};
use super::{BodyRule, FieldPath, Row, Rpc, Verb};

/// Every rule of every method, or what is wrong with it.
pub(super) fn rows(pool: &DescriptorPool, schema: &Schema) -> Vec<Result<Row, GatewayError>> {
    pool.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .flat_map(|method| match rows_of(&method, schema) {
            Ok(rows) => rows,
            Err(what) => {
                let rpc = method.full_name().to_owned();
                vec![Err(GatewayError::Rule { rpc, template: String::new(), what })]
            }
        })
        .collect()
}

fn rows_of(
    method: &MethodDescriptor,
    schema: &Schema,
) -> Result<Vec<Result<Row, GatewayError>>, String> {
    let rules = rules_of(method)?;
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let rpc = Arc::new(rpc(method, schema)?);
    Ok(rules.into_iter().map(|rule| row(&rpc, rule, schema)).collect())
}

fn rpc(method: &MethodDescriptor, schema: &Schema) -> Result<Rpc, String> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let message =
        |name: &str| schema.find(name).ok_or_else(|| format!("message {name} is missing"));
    let output = message(method.output().full_name())?;
    Ok(Rpc {
        resume_token: resume_token(schema, output),
        name: method.full_name().to_owned(),
        uri: path.parse().map_err(|e| format!("{path} is not a path: {e}"))?,
        input: message(method.input().full_name())?,
        output,
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        descriptor: method.clone(),
    })
}

fn resume_token(schema: &Schema, output: MessageId) -> Option<(u32, Kind)> {
    let message = schema.message(output);
    let field = &message.fields[message.by_name("resume_token")?];
    let singular = matches!(field.cardinality, Cardinality::Singular { .. });
    (singular && matches!(field.kind, Kind::String | Kind::Bytes))
        .then_some((field.number, field.kind))
}

fn row(rpc: &Arc<Rpc>, rule: Rule, schema: &Schema) -> Result<Row, GatewayError> {
    let template = Template::parse(&rule.template).map_err(|error| GatewayError::Template {
        rpc: rpc.name.clone(),
        template: rule.template.clone(),
        error,
    })?;
    let refuse = |what: String| GatewayError::Rule {
        rpc: rpc.name.clone(),
        template: rule.template.clone(),
        what,
    };
    let bound = template
        .variables
        .iter()
        .map(|variable| bind(schema, rpc.input, &variable.field_path))
        .collect::<Result<Vec<_>, _>>()
        .map_err(refuse)?;
    let body = body(schema, rpc.input, &rule).map_err(refuse)?;
    if let BodyRule::Field(field) = body
        && bound.iter().any(|path| path.as_slice() == [field])
    {
        return Err(refuse(format!("{} is both in the path and the body", rule.body)));
    }
    let response_body = match rule.response_body.as_str() {
        "" => None,
        name => Some(top_level(schema, rpc.output, name).map_err(refuse)?),
    };
    let raw_request = match body {
        BodyRule::None => false,
        BodyRule::Whole => raw::is_raw(schema, rpc.input),
        BodyRule::Field(field) => {
            raw::is_raw_field(schema, &schema.message(rpc.input).fields[field])
        }
    };
    let raw_answer = match response_body {
        None => raw::is_raw(schema, rpc.output),
        Some(field) => raw::is_raw_field(schema, &schema.message(rpc.output).fields[field]),
    };
    let choices =
        bound.iter().filter(|path| choice::is_choice(schema, rpc.input, path)).cloned().collect();
    Ok(Row {
        verb: rule.verb,
        template,
        bound,
        body,
        response_body,
        raw_request,
        raw_answer,
        choices,
        rpc: Arc::clone(rpc),
    })
}

fn bind(schema: &Schema, input: MessageId, names: &[String]) -> Result<FieldPath, String> {
    let mut message = schema.message(input);
    let mut path = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let index =
            message.by_name(name).ok_or_else(|| format!("{} has no field {name}", message.name))?;
        let field = &message.fields[index];
        if !matches!(field.cardinality, Cardinality::Singular { .. }) {
            return Err(format!("{name} is repeated, and a path sets one value"));
        }
        path.push(index);
        if i + 1 == names.len() {
            return if takes_text(schema, field) {
                Ok(path)
            } else {
                Err(format!("{name} is a message, and a path sets one value"))
            };
        }
        message = schema.message_of(field).ok_or_else(|| format!("{name} is not a message"))?;
    }
    Err("a variable has no field".to_owned())
}

fn body(schema: &Schema, input: MessageId, rule: &Rule) -> Result<BodyRule, String> {
    let bodiless = matches!(&rule.verb, Verb::Method(m) if *m == Method::GET || *m == Method::HEAD);
    match rule.body.as_str() {
        "" => Ok(BodyRule::None),
        _ if bodiless => Err(format!("{} has no body", rule.verb)),
        "*" => Ok(BodyRule::Whole),
        name => top_level(schema, input, name).map(BodyRule::Field),
    }
}

fn top_level(schema: &Schema, message: MessageId, name: &str) -> Result<usize, String> {
    let message = schema.message(message);
    message.by_name(name).ok_or_else(|| format!("{} has no field {name}", message.name))
}
