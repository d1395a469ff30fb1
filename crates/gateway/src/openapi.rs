//! OpenAPI 3.0.3 from the same rows and descriptors that requests are answered from.

mod comments;
mod operation;
mod path;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::GatewayConfig;
use crate::schema::Schema;
use crate::table::{Row, Table, Verb};

use comments::Comments;
use path::PathNames;
use schemas::Schemas;

/// The methods that a path item of OpenAPI 3.0 can have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What the parts of the document are made from.
struct Context<'a> {
    schema: &'a Schema,
    comments: Comments,
    schemas: Schemas,
}

/// The document, and its paths and their methods in the order of the contract, in which a reader wants them.
pub(crate) struct Document {
    pub(crate) value: Value,
    paths: Vec<(String, Vec<&'static str>)>,
}

impl Document {
    /// As text, with what the maps of JSON do not keep: the order of the paths.
    pub(crate) fn text(&self) -> String {
        object(self.value.as_object().into_iter().flatten().map(|(name, value)| {
            let text = if name == "paths" { self.paths_text(value) } else { value.to_string() };
            (name.as_str(), text)
        }))
    }

    fn paths_text(&self, paths: &Value) -> String {
        object(self.paths.iter().map(|(path, methods)| {
            let item = &paths[path];
            (path.as_str(), object(methods.iter().map(|name| (*name, item[name].to_string()))))
        }))
    }
}

/// An object whose members stand in this order.
fn object<'m>(members: impl Iterator<Item = (&'m str, String)>) -> String {
    let members = members.map(|(name, text)| format!("{}:{text}", Value::from(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The whole document.
pub(crate) fn document(schema: &Schema, table: &Table, config: &GatewayConfig) -> Document {
    let mut context =
        Context { schema, comments: Comments::default(), schemas: Schemas::new(table) };
    let mut names = PathNames::default();
    let mut ids = BTreeSet::new();
    let mut tags: Vec<(String, Option<String>)> = Vec::new();
    let mut order: Vec<(String, Vec<&'static str>)> = Vec::new();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();

    for row in &table.rows {
        let (path, parameters) = names.path(schema, row);
        let item = paths.entry(path.clone()).or_default();
        let Some(method) = method(row).filter(|method| !item.contains_key(*method)) else {
            continue;
        };
        match order.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => methods.push(method),
            None => order.push((path, vec![method])),
        }
        let service = row.rpc.descriptor.parent_service();
        let description = context.comments.of(&service.parent_file(), service.path());
        if !tags.iter().any(|(name, _)| name == service.name()) {
            tags.push((service.name().to_owned(), description));
        }
        let id = operation_id(row, &mut ids);
        item.insert(method.to_owned(), operation::operation(&mut context, row, &id, &parameters));
    }
    paths.retain(|_, item| !item.is_empty());

    let tags: Vec<_> = tags
        .into_iter()
        .map(|(name, description)| match description {
            Some(text) => json!({"name": name, "description": text}),
            None => json!({"name": name}),
        })
        .collect();
    let Context { comments, schemas, .. } = context;
    let value = json!({
        "openapi": "3.0.3",
        "info": {"title": config.title, "version": config.version},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.finish(schema, comments),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"bearer": []}, {}],
    });
    Document { value, paths: order }
}

/// The method in the document. A rule for any method is shown as the one that fits its body.
fn method(row: &Row) -> Option<&'static str> {
    let name = match &row.verb {
        Verb::Method(method) => method.as_str().to_ascii_lowercase(),
        Verb::Any if row.body == crate::table::BodyRule::None => "get".to_owned(),
        Verb::Any => "post".to_owned(),
    };
    METHODS.into_iter().find(|method| *method == name)
}

/// `Service_Method`, with a number for every further binding.
fn operation_id(row: &Row, ids: &mut BTreeSet<String>) -> String {
    let descriptor = &row.rpc.descriptor;
    let base = format!("{}_{}", descriptor.parent_service().name(), descriptor.name());
    let mut id = base.clone();
    let mut number = 2;
    while !ids.insert(id.clone()) {
        id = format!("{base}_{number}");
        number += 1;
    }
    id
}
