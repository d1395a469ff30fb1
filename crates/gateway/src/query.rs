//! Query parameters to the fields that neither the path nor the body sets.

use std::borrow::Cow;

use gamemesh_rpc::error::{Code, Error};
use percent_encoding::percent_decode;

use crate::json::{check_part, put_text, takes_text};
use crate::schema::{Cardinality, Field, Kind, MessageId, Schema};
use crate::table::{BodyRule, FieldPath, Row};
use crate::wire;

type Result<T> = std::result::Result<T, Error>;

/// Parameters in one request, at most.
const PARAMETERS_MAX: usize = 1_000;

/// Appends the wire form of every parameter. Which fields they and the path set, as far as it matters to
/// whoever sets others.
pub(crate) fn put_query(
    schema: &Schema,
    row: &Row,
    query: &str,
    out: &mut Vec<u8>,
) -> Result<Vec<FieldPath>> {
    let mut given = row.choices.clone();
    for (count, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count == PARAMETERS_MAX {
            let what = format!("more than {PARAMETERS_MAX} query parameters are given");
            return Err(Error::new(Code::InvalidArgument, what));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, "query parameter")?;
        let value = decode(value, &name)?;
        let path = resolve(schema, row, &name)?;
        put(schema, row.rpc.input, &path, &value, out)
            .map_err(|what| Error::invalid(&*name, what))?;
        note(schema, row.rpc.input, &mut given, path, &name)?;
    }
    Ok(given)
}

/// Appends one value under the messages that lead to its field. Parts of one message that are written
/// apart are one message to every decoder.
pub(crate) fn put(
    schema: &Schema,
    message: MessageId,
    path: &[usize],
    value: &str,
    out: &mut Vec<u8>,
) -> std::result::Result<(), String> {
    let Some((index, rest)) = path.split_first() else { return Ok(()) };
    let field = &schema.message(message).fields[*index];
    let inner = match field.kind {
        Kind::Message(inner) if !rest.is_empty() => inner,
        _ => {
            check_part(schema.message(message).shape, field, value)?;
            return put_text(schema, field, value, out);
        }
    };
    if field.group {
        wire::put_tag(out, field.number, wire::GROUP_START);
        put(schema, inner, rest, value, out)?;
        wire::put_tag(out, field.number, wire::GROUP_END);
        return Ok(());
    }
    wire::put_tag(out, field.number, wire::LEN);
    let start = wire::open(out);
    put(schema, inner, rest, value, out)?;
    wire::close(out, start);
    Ok(())
}

fn resolve(schema: &Schema, row: &Row, name: &str) -> Result<FieldPath> {
    let refuse = |what: &str| Err(Error::invalid(name, what));
    if row.body == BodyRule::Whole {
        return refuse("is not a query parameter of this method: the body holds the whole request");
    }
    let mut message = schema.message(row.rpc.input);
    let mut path = Vec::new();
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some(index) = message.by_name(part) else {
            let accepted = message.accepted();
            return refuse(&format!("{part} is not a field of {}: {accepted}", message.name));
        };
        path.push(index);
        let field = &message.fields[index];
        if parts.peek().is_none() {
            check_leaf(schema, field, name)?;
            break;
        }
        match (field.cardinality, schema.message_of(field)) {
            (Cardinality::Singular { .. }, Some(inner)) => message = inner,
            (Cardinality::Map, _) => {
                return refuse("is in a map, and a map is not set by query parameters");
            }
            (Cardinality::Repeated { .. }, Some(_)) => {
                return refuse(
                    "is in a list of messages, and such a list is not set by query parameters",
                );
            }
            _ => return refuse(&format!("{part} has no fields of its own")),
        }
    }
    if row.body == BodyRule::Field(path[0]) {
        return refuse("is set by the body, and not by a query parameter");
    }
    if row.bound.iter().any(|bound| overlap(bound, &path)) {
        return refuse("is set by the path, and not by a query parameter");
    }
    Ok(path)
}

fn check_leaf(schema: &Schema, field: &Field, name: &str) -> Result<()> {
    if takes_text(schema, field) {
        return Ok(());
    }
    let what = match (field.cardinality, schema.message_of(field)) {
        (Cardinality::Map, _) => "is a map, and a map is not set by query parameters".to_owned(),
        (Cardinality::Repeated { .. }, _) => {
            "is a list of messages, and such a list is not set by query parameters".to_owned()
        }
        (_, Some(message)) if message.shape == crate::schema::Shape::Plain => {
            let first = message.fields.first().map_or("field", |f| &f.json_name);
            format!("is a message; set its fields, such as {name}.{first}")
        }
        _ => "has no form as a query parameter".to_owned(),
    };
    Err(Error::invalid(name, what))
}

/// Whether one of two is the other or a part of it: a time as text and its seconds, say.
fn overlap(one: &[usize], other: &[usize]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A singular field is given once, and one member of a oneof.
fn note(
    schema: &Schema,
    input: MessageId,
    given: &mut Vec<FieldPath>,
    path: FieldPath,
    name: &str,
) -> Result<()> {
    let mut message = schema.message(input);
    for (depth, index) in path.iter().enumerate() {
        let field = &message.fields[*index];
        if let Some(oneof) = &field.oneof {
            let clash = given.iter().find(|other| {
                other[..depth] == path[..depth]
                    && other.get(depth).is_some_and(|i| oneof.siblings.contains(&(*i as u16)))
            });
            if let Some(other) = clash {
                let other = &message.fields[other[depth]].json_name;
                let what = format!(
                    "is given beside {other}, and only one of the oneof {} may be",
                    oneof.name
                );
                return Err(Error::invalid(name, what));
            }
        }
        if depth + 1 == path.len() {
            let repeated = matches!(field.cardinality, Cardinality::Repeated { .. });
            if given.iter().any(|other| overlap(other, &path) && !(repeated && *other == path)) {
                return Err(Error::invalid(name, "is given twice, and holds one value"));
            }
        } else if let Some(inner) = schema.message_of(field) {
            message = inner;
        }
    }
    if !given.contains(&path) {
        given.push(path);
    }
    Ok(())
}

fn decode<'q>(text: &'q str, of: &str) -> Result<Cow<'q, str>> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    if !crate::template::percent_is_valid(text) {
        return Err(Error::invalid(of, "has a % that is not followed by two hexadecimal digits"));
    }
    let spaced = text.replace('+', " ");
    match percent_decode(spaced.as_bytes()).decode_utf8() {
        Ok(decoded) => Ok(Cow::Owned(decoded.into_owned())),
        Err(_) => Err(Error::invalid(of, "is not percent-encoded UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::Table;

    fn table() -> (Schema, Table) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut compiler =
            protox::Compiler::new([root.join("tests/protos"), root.join("../../proto")]).unwrap();
        compiler.include_imports(true).open_file("foreign.proto").unwrap();
        let set = compiler.encode_file_descriptor_set();
        let pool = prost_reflect::DescriptorPool::decode(set.as_slice()).unwrap();
        let schema = Schema::compile(&pool);
        let table = Table::build(&pool, &schema, false).unwrap();
        (schema, table)
    }

    #[test]
    fn any_query_is_read_or_refused() {
        let (schema, table) = table();
        let names = "(id|maybe|numbers|scalars|scalars\\.[a-z0-9]{1,4}|child\\.child\\.id|counts|at|data|choice_text|\\PC{0,6})";
        let pair = format!("{names}(=(%[0-9a-fA-F]{{2}}|[0-9+.-]|\\PC){{0,6}})?");
        let strategy = prop::collection::vec(proptest::string::string_regex(&pair).unwrap(), 0..4);
        proptest!(|(pairs in strategy, row in 0..table.rows.len())| {
            let mut out = Vec::new();
            let _ = put_query(&schema, &table.rows[row], &pairs.join("&"), &mut out);
        });
    }
}
