//! Templates as OpenAPI paths.
//!
//! A variable of several segments is spelt out: its literals stay and each `*` is a parameter, so that a
//! client which encodes one segment at a time calls it right. `**` is one parameter that may hold `/`.
//! Two templates that differ only in the names of their variables are one path, with the names of the
//! first: OpenAPI has no two such paths.

use std::collections::HashMap;

use crate::schema::Schema;
use crate::table::Row;
use crate::template::{Segment, Template};

#[derive(Default)]
pub(super) struct PathNames {
    names: HashMap<String, Vec<String>>,
}

/// One parameter of a path.
pub(super) struct PathParameter {
    pub(super) name: String,
    /// The variable that it is, or is a part of.
    pub(super) variable: Option<usize>,
    /// The variable is this segment alone, so the parameter has the type of its field.
    pub(super) whole: bool,
    /// It is a `**`.
    pub(super) rest: bool,
}

impl PathNames {
    /// The path, and its parameters in order.
    pub(super) fn path(&mut self, schema: &Schema, row: &Row) -> (String, Vec<PathParameter>) {
        let template = &row.template;
        let mut parameters = parameters(schema, row);
        let names = self
            .names
            .entry(shape(template))
            .or_insert_with(|| parameters.iter().map(|parameter| parameter.name.clone()).collect());
        for (parameter, name) in parameters.iter_mut().zip(names) {
            parameter.name.clone_from(name);
        }
        let mut left = parameters.iter();
        let mut path = String::new();
        for segment in &template.segments {
            path.push('/');
            match (segment, segment == &Segment::Any || segment == &Segment::Rest) {
                (_, true) => {
                    let name = left.next().map_or("", |parameter| &parameter.name);
                    path.push_str(&format!("{{{name}}}"));
                }
                (segment, false) => path.push_str(&segment.to_string()),
            }
        }
        if let Some(verb) = &template.verb {
            path.push(':');
            path.push_str(verb);
        }
        (path, parameters)
    }
}

fn parameters(schema: &Schema, row: &Row) -> Vec<PathParameter> {
    let template = &row.template;
    let wild = |i: &usize| !matches!(template.segments[*i], Segment::Literal(_));
    let mut parameters: Vec<PathParameter> = Vec::new();
    for i in (0..template.segments.len()).filter(wild) {
        let rest = template.segments[i] == Segment::Rest;
        let variable = template.variables.iter().position(|v| (v.start..v.end).contains(&i));
        let (name, whole) = match variable.map(|v| (v, &template.variables[v])) {
            None => (format!("segment{}", i + 1), false),
            Some((index, v)) => {
                let name = row.json_path(schema, index);
                match (v.start..v.end).filter(wild).position(|at| at == i) {
                    Some(0) | None => (name, v.end - v.start == 1),
                    Some(n) => (format!("{name}_{}", n + 1), false),
                }
            }
        };
        parameters.push(PathParameter { name, variable, whole, rest });
    }
    parameters
}

fn shape(template: &Template) -> String {
    let segments = template.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        _ => "/{}".to_owned(),
    });
    segments.chain(template.verb.iter().map(|verb| format!(":{verb}"))).collect()
}
