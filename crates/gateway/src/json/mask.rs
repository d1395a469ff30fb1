//! Field masks as text: paths with commas between them, names of fields in either spelling.
//!
//! Only names of fields are spelt in two ways. Below a map or a document stand names of entries, and what
//! stands in quotes is a name as it is: those are data, which no spelling changes.

use std::borrow::Cow;

use crate::schema::{Cardinality, Field, Kind, Message, MessageId, Schema, Shape};

/// The paths of a mask in the spelling of the proto. `field` holds the mask.
pub(super) fn paths<'t>(
    schema: &'t Schema,
    field: &'t Field,
    text: &'t str,
) -> impl Iterator<Item = String> {
    split(text, ',').filter(|path| !path.is_empty()).map(|path| spelt(schema, field, path))
}

fn spelt(schema: &Schema, field: &Field, path: &str) -> String {
    let first = split(path, '.').next().unwrap_or_default();
    let has_first =
        |message: &&Message| message.shape == Shape::Plain && message.by_name(first).is_some();
    let mut message = field.masks.iter().map(|id| schema.message(*id)).find(has_first);
    let is_known = message.is_some();
    let spelt = split(path, '.').map(|name| {
        let field = message.and_then(|m| Some(&m.fields[m.by_name(name)?]));
        let is_entry = is_known && message.is_none();
        message = match field {
            Some(field) => below(schema, field),
            None => message,
        };
        match field {
            Some(field) => Cow::Borrowed(&*field.name),
            None if is_entry => Cow::Borrowed(name),
            None => Cow::Owned(snake_case(name)),
        }
    });
    spelt.collect::<Vec<_>>().join(".")
}

/// The message whose fields stand below a field; `None` where entries or nothing stand there.
fn below<'s>(schema: &'s Schema, field: &Field) -> Option<&'s Message> {
    let Kind::Message(id) = field.kind else { return None };
    let inner = schema.message(id);
    (inner.shape == Shape::Plain && field.cardinality != Cardinality::Map).then_some(inner)
}

/// The parts between separators that are not in quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c => return c == separator && !quoted,
        }
        false
    })
}

/// The proto spelling of a field's name; one that has it already stays as it is, and so does a name in
/// quotes.
fn snake_case(name: &str) -> String {
    if name.starts_with('"') {
        return name.to_owned();
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// What a mask in a message describes: the messages beside it, or the message itself.
pub(crate) fn described(
    beside: impl Iterator<Item = (Kind, Cardinality)>,
    id: MessageId,
) -> Vec<MessageId> {
    let messages = beside.filter_map(|(kind, cardinality)| match (kind, cardinality) {
        (Kind::Message(id), Cardinality::Singular { .. }) => Some(id),
        _ => None,
    });
    messages.chain([id]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_have_two_spellings_and_names_of_entries_one() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
        let mut compiler = protox::Compiler::new([root]).unwrap();
        compiler.include_imports(true);
        for file in ["state/v1/messages.proto", "memory/v1/memory_messages.proto"] {
            compiler.open_file(format!("gamemesh/{file}")).unwrap();
        }
        let set = compiler.encode_file_descriptor_set();
        let pool = prost_reflect::DescriptorPool::decode(set.as_slice()).unwrap();
        let schema = Schema::compile(&pool);
        let read = |message: &str, field: &str, text: &str| {
            let message = schema.message(schema.find(message).unwrap());
            let field = &message.fields[message.by_name(field).unwrap()];
            paths(&schema, field, text).collect::<Vec<_>>().join(" ")
        };
        let put = |text: &str| read("gamemesh.state.v1.PutPlayerRequest", "update_mask", text);
        for (text, expected) in [
            ("positionX,position_y,,status", "position_x position_y status"),
            (
                "inventory.goldCoins,inventory.gold_coins",
                "inventory.goldCoins inventory.gold_coins",
            ),
            ("statistics.bossKills.iceLord", "statistics.bossKills.iceLord"),
            (r#"inventory."goldCoins, old.Ones""#, r#"inventory."goldCoins, old.Ones""#),
            (r#"inventory."a\",B",level"#, r#"inventory."a\",B" level"#),
            ("lastUpdated.seconds", "last_updated.seconds"),
            ("manaPool.redPart", "mana_pool.red_part"),
        ] {
            assert_eq!(put(text), expected);
        }
        let update = "gamemesh.memory.v1.UpdateMemoryRequest";
        let expected = "valid_from metadata.seenBy";
        assert_eq!(read(update, "update_mask", "validFrom,metadata.seenBy"), expected);
        // A mask that stands alone describes nothing that is known.
        assert_eq!(read("google.protobuf.FieldMask", "paths", "aB.cD"), "a_b.c_d");
    }
}
