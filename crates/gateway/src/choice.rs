//! One member of a oneof for each request, wherever it comes from: of two, every decoder would silently
//! keep the one that stands last.

use gamemesh_rpc::error::Error;

use crate::schema::{Field, Kind, MessageId, Schema};
use crate::wire::{Fields, Value};

/// Whether a member of a oneof stands on the way to a field.
pub(crate) fn is_choice(schema: &Schema, input: MessageId, path: &[usize]) -> bool {
    let mut message = schema.message(input);
    path.iter().any(|index| {
        let field = &message.fields[*index];
        message = schema.message_of(field).unwrap_or(message);
        field.oneof.is_some()
    })
}

/// Refuses a body that sets another member of a oneof than the URI does.
pub(crate) fn check(
    schema: &Schema,
    input: MessageId,
    choices: &[Vec<usize>],
    body: &[u8],
) -> Result<(), Error> {
    for path in choices {
        if let Some((field, other)) = clash(schema, input, path, body) {
            let oneof = field.oneof.as_ref().map_or("", |oneof| &oneof.name);
            let what = format!(
                "is given beside {} in the body, and only one of the oneof {oneof} may be",
                other.json_name
            );
            return Err(Error::invalid(&*field.json_name, what));
        }
    }
    Ok(())
}

/// The member that a path goes through, and the other one that the wire form has.
fn clash<'s>(
    schema: &'s Schema,
    message: MessageId,
    path: &[usize],
    wire: &[u8],
) -> Option<(&'s Field, &'s Field)> {
    let (index, rest) = path.split_first()?;
    let message = schema.message(message);
    let field = &message.fields[*index];
    let mut fields = Fields::new(wire);
    while let Ok(Some((number, value))) = fields.next() {
        if let Some(oneof) = &field.oneof
            && let Some(other) = message.by_number(number)
            && oneof.siblings.contains(&(other as u16))
        {
            return Some((field, &message.fields[other]));
        }
        if let (true, Kind::Message(inner), Value::Len(bytes) | Value::Group(bytes)) =
            (number == field.number, field.kind, value)
            && let Some(found) = clash(schema, inner, rest, bytes)
        {
            return Some(found);
        }
    }
    None
}
