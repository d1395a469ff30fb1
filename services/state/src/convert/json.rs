//! Values as JSON text, for the columns that SQL users read.

use gamemesh_domain::document::Value;

pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => text.push_str(&value.to_string()),
        Value::Float(value) => text.push_str(&value.to_string()),
        Value::Text(value) => quote(value, text),
        Value::List(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push('{');
            for (at, (name, value)) in map.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                quote(name, text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
    }
}

fn quote(value: &str, text: &mut String) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use gamemesh_domain::document::{Map, Number, Value};

    #[test]
    fn values_become_json() {
        let half = Number::new(0.5).map(Value::from).unwrap();
        let value = Value::from(Map::from([
            ("a", Value::from(vec![Value::from(1), half, Value::Null, Value::from(true)])),
            ("q\"\\\n\u{1}é", Value::from("x\ty")),
        ]));
        assert_eq!(
            super::text(&value),
            "{\"a\":[1,0.5,null,true],\"q\\\"\\\\\\u000a\\u0001é\":\"x\\u0009y\"}"
        );
    }
}
