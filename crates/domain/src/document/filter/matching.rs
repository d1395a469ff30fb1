//! Whether an aggregate matches.

use std::cmp::Ordering;

use super::{Facts, Literal, Node, Subject};
use crate::document::{Number, Value, parse_timestamp};

pub(super) fn matches(node: &Node, facts: &Facts<'_>) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|node| matches(node, facts)),
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, facts)),
        Node::Not(node) => !matches(node, facts),
        Node::Compare(subject, comparison, literal) => {
            comparison.accepts(compare(subject, literal, facts))
        }
        Node::Has(subject, literal) => has(subject, literal, facts),
        Node::Present(Subject::Field(path)) => {
            facts.state.get(path).is_some_and(|value| !value.is_null())
        }
        Node::Present(Subject::Kind) => facts.event.is_some(),
        Node::Present(_) => true,
        Node::Changed(path) => facts.event.is_some_and(|event| {
            let value =
                |state: &'_ Value| state.get(path).filter(|value| !value.is_null()).cloned();
            value(event.before) != value(event.after)
        }),
    }
}

/// How what is there compares to `literal`; `None` if the two are of different kinds.
fn compare(subject: &Subject, literal: &Literal, facts: &Facts<'_>) -> Option<Ordering> {
    match subject {
        Subject::Field(path) => match (facts.state.get(path).unwrap_or(&Value::Null), literal) {
            (Value::Null, Literal::Null) => Some(Ordering::Equal),
            (Value::Bool(value), Literal::Bool(literal)) => Some(value.cmp(literal)),
            (Value::Text(value), Literal::Text(literal)) => Some((**value).cmp(&**literal)),
            (value, Literal::Number(literal)) => Some(value.as_number()?.cmp(literal)),
            _ => None,
        },
        Subject::Version => match literal {
            Literal::Number(Number::Int(literal)) => {
                Some(i128::from(facts.version).cmp(&i128::from(*literal)))
            }
            Literal::Number(literal) => (facts.version as f64).partial_cmp(&literal.as_f64()),
            _ => None,
        },
        Subject::UpdatedAt => match literal {
            Literal::Text(literal) => Some(facts.updated_at_us.cmp(&parse_timestamp(literal)?)),
            _ => None,
        },
        Subject::Type | Subject::Id | Subject::Kind => match literal {
            Literal::Text(literal) => Some(text(subject, facts)?.cmp(literal)),
            _ => None,
        },
    }
}

fn has(subject: &Subject, literal: &Literal, facts: &Facts<'_>) -> bool {
    let Subject::Field(path) = subject else {
        return match literal {
            Literal::Text(part) => text(subject, facts).is_some_and(|text| text.contains(&**part)),
            _ => false,
        };
    };
    match (facts.state.get(path), literal) {
        (Some(Value::Text(text)), Literal::Text(part)) => text.contains(&**part),
        (Some(Value::Map(map)), Literal::Text(name)) => map.contains(name),
        (Some(Value::List(items)), literal) => items.iter().any(|item| equals(item, literal)),
        (Some(value), literal) => equals(value, literal),
        (None, _) => false,
    }
}

fn equals(value: &Value, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::Null, Literal::Null) => true,
        (Value::Bool(value), Literal::Bool(literal)) => value == literal,
        (Value::Text(value), Literal::Text(literal)) => **value == **literal,
        (value, Literal::Number(literal)) => value.as_number() == Some(*literal),
        _ => false,
    }
}

fn text<'a>(subject: &Subject, facts: &Facts<'a>) -> Option<&'a str> {
    match subject {
        Subject::Type => Some(facts.type_name),
        Subject::Id => Some(facts.id),
        Subject::Kind => facts.event.map(|event| event.kind),
        Subject::Field(_) | Subject::Version | Subject::UpdatedAt => None,
    }
}
