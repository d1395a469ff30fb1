//! A forwarding key as Rust: from the names of fields to an expression that visits their values.

use std::fmt::Write as _;

use crate::contracts::Contracts;
use crate::wire::{FieldDescriptor, MessageDescriptor};

const LIST: i32 = 3;
const TYPE_STRING: i32 = 9;
const TYPE_MESSAGE: i32 = 11;
/// 64 and 32 bits, signed and unsigned.
const TYPES_INTEGER: [i32; 10] = [3, 4, 5, 6, 7, 13, 15, 16, 17, 18];

/// Words of Rust that a field may be named by.
const KEYWORDS: [&str; 37] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "match", "mod", "move", "mut", "override", "pub", "ref", "return", "static", "struct", "trait",
    "type", "use", "where",
];

/// One element of a key.
enum Part<'a> {
    /// `'player'`: a word that stands for itself.
    Word(&'a str),
    Path {
        list: Option<&'a str>,
        fields: &'a str,
    },
}

/// The body of `for_each_key`, indented, for a message with this name.
pub(super) fn visit(
    contracts: &Contracts,
    message: &str,
    forwarding_key: &[String],
) -> Result<String, String> {
    if forwarding_key.is_empty() {
        return Ok("        let _ = each;\n".to_owned());
    }
    let parts: Vec<Part<'_>> = forwarding_key.iter().map(|text| parse(text)).collect();
    let mut lists = parts.iter().filter_map(|part| match part {
        Part::Word(_) => None,
        Part::Path { list, .. } => Some(*list),
    });
    let list = lists.next().flatten();
    if lists.any(|other| other != list) {
        return Err(format!("forwarding_key {forwarding_key:?}: its parts are of different lists"));
    }
    let root =
        contracts.message(message).ok_or_else(|| format!("{message} is not in the contracts"))?;
    let (item, chain) = match list {
        None => (root, String::new()),
        Some(list) => elements(contracts, root, list)?,
    };
    let mut values = Vec::new();
    for part in &parts {
        values.push(match part {
            Part::Word(word) => format!("{word:?}"),
            Part::Path { fields, .. } => value(contracts, item, fields)?,
        });
    }
    let mut text = String::new();
    if chain.is_empty() {
        let _ = writeln!(text, "        let item = self;\n        each(&[{}]);", values.join(", "));
    } else {
        let _ = writeln!(
            text,
            "        for item in std::iter::once(self){chain} {{\n            each(&[{}]);\n        }}",
            values.join(", ")
        );
    }
    Ok(text)
}

fn parse(text: &str) -> Part<'_> {
    if let Some(word) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Part::Word(word);
    }
    match text.split_once("[].") {
        Some((list, fields)) => Part::Path { list: Some(list), fields },
        None => Part::Path { list: None, fields: text },
    }
}

/// The message of a list's elements, and the steps from `self` to them.
fn elements<'a>(
    contracts: &'a Contracts,
    root: &'a MessageDescriptor,
    path: &str,
) -> Result<(&'a MessageDescriptor, String), String> {
    let mut message = root;
    let mut chain = String::new();
    let names: Vec<&str> = path.split('.').collect();
    for (at, name) in names.iter().enumerate() {
        let field = field(message, name)?;
        let is_last = at + 1 == names.len();
        if field.r#type != TYPE_MESSAGE || (field.label == LIST) != is_last {
            return Err(format!(
                "forwarding_key {path:?}: {name} does not lead to a list of messages"
            ));
        }
        let _ = write!(chain, ".flat_map(|item| item.{}.iter())", identifier(name));
        message = of_type(contracts, field)?;
    }
    Ok((message, chain))
}

/// An expression of type `&str` for the value behind a path; empty where a message on the way is absent.
fn value(contracts: &Contracts, item: &MessageDescriptor, path: &str) -> Result<String, String> {
    let mut message = item;
    let mut text = String::new();
    let names: Vec<&str> = path.split('.').collect();
    let (last, way) = names.split_last().ok_or("an empty forwarding key")?;
    for (at, name) in way.iter().enumerate() {
        let field = field(message, name)?;
        if field.r#type != TYPE_MESSAGE || field.label == LIST {
            return Err(format!("forwarding_key {path:?}: {name} is not a message"));
        }
        let name = identifier(name);
        text = match at {
            0 => format!("item.{name}.as_ref()"),
            _ => format!("{text}.and_then(|item| item.{name}.as_ref())"),
        };
        message = of_type(contracts, field)?;
    }
    let field = field(message, last)?;
    let name = identifier(last);
    let is_string = field.r#type == TYPE_STRING;
    if field.label == LIST || !(is_string || TYPES_INTEGER.contains(&field.r#type)) {
        return Err(format!("forwarding_key {path:?}: {last} is neither a string nor an integer"));
    }
    let read = match (is_string, field.proto3_optional) {
        (true, false) => format!("item.{name}.as_str()"),
        (true, true) => format!("item.{name}.as_deref().unwrap_or_default()"),
        (false, false) => format!("&*item.{name}.to_string()"),
        (false, true) => format!("&*item.{name}.map_or_else(String::new, |n| n.to_string())"),
    };
    if text.is_empty() {
        return Ok(read);
    }
    if is_string {
        Ok(format!("{text}.map_or(\"\", |item| {read})"))
    } else {
        let owned = read.trim_start_matches("&*");
        Ok(format!("&*{text}.map_or_else(String::new, |item| {owned})"))
    }
}

fn field<'a>(message: &'a MessageDescriptor, name: &str) -> Result<&'a FieldDescriptor, String> {
    let found = message.field.iter().find(|field| field.name == name);
    let field =
        found.ok_or_else(|| format!("forwarding_key: {} has no field {name}", message.name))?;
    if field.oneof_index.is_some() && !field.proto3_optional {
        return Err(format!("forwarding_key: {name} of {} is one of several", message.name));
    }
    Ok(field)
}

fn of_type<'a>(
    contracts: &'a Contracts,
    field: &FieldDescriptor,
) -> Result<&'a MessageDescriptor, String> {
    let name = field.type_name.trim_start_matches('.');
    contracts.message(name).ok_or_else(|| format!("{name} is not in the contracts"))
}

fn identifier(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}
