//! The golden listing of the routes.

use crate::schema::Schema;

use super::{BodyRule, Row, Table};

impl Table {
    /// One line for each row, sorted by template and method.
    pub(crate) fn listing(&self, schema: &Schema) -> String {
        let mut lines: Vec<_> = self
            .rows
            .iter()
            .map(|row| ((row.template.to_string(), row.verb.to_string()), line(row, schema)))
            .collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }
}

fn line(row: &Row, schema: &Schema) -> String {
    let mut line = format!("{} {} -> {}", row.verb, row.template, row.rpc.name);
    match row.body {
        BodyRule::None => {}
        BodyRule::Whole => line.push_str(" body=*"),
        BodyRule::Field(field) => {
            line.push_str(" body=");
            line.push_str(&schema.message(row.rpc.input).fields[field].name);
        }
    }
    if let Some(field) = row.response_body {
        line.push_str(" response_body=");
        line.push_str(&schema.message(row.rpc.output).fields[field].name);
    }
    match (row.rpc.client_streaming, row.rpc.server_streaming) {
        (true, true) => line.push_str(" stream=both"),
        (true, false) => line.push_str(" stream=client"),
        (false, true) => line.push_str(" stream=server"),
        (false, false) => {}
    }
    line
}
