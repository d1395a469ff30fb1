//! The canonical form of a filter.

use std::fmt::{Formatter, Result, Write};

use super::{Comparison, Literal, Node, Subject};
use crate::document::FieldPath;

pub(super) fn print(node: &Node, f: &mut Formatter<'_>) -> Result {
    match node {
        Node::And(nodes) => print_joined(nodes, " AND ", |node| matches!(node, Node::And(_)), f),
        Node::Or(nodes) => {
            let parentheses = |node: &Node| matches!(node, Node::And(_) | Node::Or(_));
            print_joined(nodes, " OR ", parentheses, f)
        }
        Node::Not(node) => {
            f.write_str("NOT ")?;
            print_in(node, matches!(**node, Node::And(_) | Node::Or(_)), f)
        }
        Node::Compare(subject, comparison, literal) => {
            print_subject(subject, f)?;
            let sign = Comparison::SIGNS.iter().find(|(_, other)| other == comparison);
            write!(f, " {} ", sign.map_or("=", |(sign, _)| sign))?;
            print_literal(literal, f)
        }
        Node::Has(subject, literal) => {
            print_subject(subject, f)?;
            f.write_str(" : ")?;
            print_literal(literal, f)
        }
        Node::Present(subject) => {
            print_subject(subject, f)?;
            f.write_str(" : *")
        }
        Node::Changed(path) => {
            f.write_str("changed : ")?;
            print_path(path, f)
        }
    }
}

fn print_joined(
    nodes: &[Node],
    join: &str,
    parentheses: impl Fn(&Node) -> bool,
    f: &mut Formatter<'_>,
) -> Result {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            f.write_str(join)?;
        }
        print_in(node, parentheses(node), f)?;
    }
    Ok(())
}

fn print_in(node: &Node, parentheses: bool, f: &mut Formatter<'_>) -> Result {
    if !parentheses {
        return print(node, f);
    }
    f.write_char('(')?;
    print(node, f)?;
    f.write_char(')')
}

fn print_subject(subject: &Subject, f: &mut Formatter<'_>) -> Result {
    match subject {
        Subject::Field(path) => print_path(path, f),
        meta => {
            let name = Subject::META.iter().find(|(_, subject)| subject == meta);
            f.write_str(name.map_or("", |(name, _)| name))
        }
    }
}

/// A path that would be read as something else gets quotes around its first name.
fn print_path(path: &FieldPath, f: &mut Formatter<'_>) -> Result {
    let text = path.as_str();
    let special = text.starts_with(['_', '-']) || matches!(text, "AND" | "OR" | "NOT" | "changed");
    match text.split_once('.') {
        _ if !special => f.write_str(text),
        Some((first, rest)) => write!(f, "\"{first}\".{rest}"),
        None => write!(f, "\"{text}\""),
    }
}

fn print_literal(literal: &Literal, f: &mut Formatter<'_>) -> Result {
    match literal {
        Literal::Null => f.write_str("null"),
        Literal::Bool(value) => write!(f, "{value}"),
        Literal::Number(value) => write!(f, "{value}"),
        Literal::Text(text) => f.write_str(&quoted(text)),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}
