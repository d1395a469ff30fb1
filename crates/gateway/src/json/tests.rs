//! Against two other implementations: `serde_json` for the syntax, `prost-reflect` for the mapping.

use std::sync::LazyLock;

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{Lexer, Limits, Next, read_message, write_message};
use crate::schema::{MessageId, Schema};

const LIMITS: Limits = Limits { depth_max: 64 };

struct World {
    schema: Schema,
    id: MessageId,
    descriptor: MessageDescriptor,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler =
        protox::Compiler::new([root.join("tests/protos"), root.join("../../proto")]).unwrap();
    compiler.include_imports(true).open_file("foreign.proto").unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    let schema = Schema::compile(&pool);
    let id = schema.find("foreign.v1.Everything").unwrap();
    let descriptor = pool.get_message_by_name("foreign.v1.Everything").unwrap();
    World { schema, id, descriptor }
});

fn read(json: &[u8]) -> Result<Vec<u8>, gamemesh_rpc::error::Error> {
    let mut out = Vec::new();
    read_message(&WORLD.schema, WORLD.id, json, LIMITS, &mut out).map(|()| out)
}

fn write(wire: &[u8]) -> Result<Value, super::writer::WriteError> {
    let mut out = Vec::new();
    write_message(&WORLD.schema, WORLD.id, wire, &mut out)?;
    Ok(serde_json::from_slice(&out)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out))))
}

/// What the text is, as `serde_json` would say it; numbers as text, for they are read as such.
fn value(lexer: &mut Lexer<'_>, depth: usize) -> Result<Value, super::SyntaxError> {
    assert!(depth < 200, "the texts of the tests are shallow");
    Ok(match lexer.next()? {
        Next::Object => {
            lexer.open();
            let mut map = Map::new();
            while let Some(key) = lexer.key(map.is_empty())? {
                map.insert(format!("{}{key}", map.len()), value(lexer, depth + 1)?);
            }
            Value::Object(map)
        }
        Next::List => {
            lexer.open();
            let mut list = Vec::new();
            while lexer.element(list.is_empty())? {
                list.push(value(lexer, depth + 1)?);
            }
            Value::Array(list)
        }
        Next::String => Value::String(lexer.string()?.into_owned()),
        Next::Number => json!({"number": lexer.number()?}),
        Next::True => {
            lexer.word("true");
            json!(true)
        }
        Next::False => {
            lexer.word("false");
            json!(false)
        }
        Next::Null => {
            lexer.word("null");
            Value::Null
        }
    })
}

fn is_json(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    value(&mut lexer, 0).and_then(|_| lexer.end()).is_ok()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i16>().prop_map(|n| Value::from(f64::from(n) / 32.0)),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// JSON that a message takes.
fn message(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<Value> {
    let members: Vec<_> = descriptor
        .fields()
        // Of a oneof one member is set, and those are tested by rows.
        .filter(|field| field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic()))
        .filter(|field| depth > 0 || !matches!(field.kind(), Kind::Message(_)))
        .map(|field| {
            let name = field.json_name().to_owned();
            prop::option::weighted(0.3, member(&field, depth))
                .prop_map(move |value| (name.clone(), value))
        })
        .collect();
    members
        .prop_map(|members| {
            Value::Object(
                members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            )
        })
        .boxed()
}

fn member(field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
        let key = match entry.map_entry_key_field().kind() {
            Kind::String => "\\PC{0,6}".boxed(),
            Kind::Bool => prop_oneof!["true", "false"].boxed(),
            Kind::Uint32 => any::<u32>().prop_map(|n| n.to_string()).boxed(),
            _ => any::<i64>().prop_map(|n| n.to_string()).boxed(),
        };
        let value = single(&entry.map_entry_value_field().kind(), depth);
        return prop::collection::btree_map(key, value, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed();
    }
    let one = single(&field.kind(), depth);
    if field.is_list() {
        prop::collection::vec(one, 0..4).prop_map(Value::from).boxed()
    } else {
        one
    }
}

fn single(kind: &Kind, depth: u32) -> BoxedStrategy<Value> {
    match kind {
        Kind::Double | Kind::Float => number().boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::from).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::from).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<i64>().prop_map(|n| json!(n.to_string()))
        ]
        .boxed(),
        Kind::Uint64 | Kind::Fixed64 => prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<u64>().prop_map(|n| json!(n.to_string()))
        ]
        .boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Kind::String => "\\PC{0,12}".prop_map(Value::from).boxed(),
        Kind::Bytes => "([A-Za-z0-9+/]{4}){0,3}".prop_map(Value::from).boxed(),
        Kind::Enum(e) if e.name() == "NullValue" => Just(Value::Null).boxed(),
        Kind::Enum(_) => {
            prop_oneof![Just(json!("RED")), Just(json!("VERDE")), (-3..5).prop_map(Value::from)]
                .boxed()
        }
        Kind::Message(inner) => well_known(inner, depth),
    }
}

/// Numbers that `serde_json` reads exactly: it may be off by the last bit for others, which ours is not.
/// Not -0 either, which the other implementation takes for unset.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i16>().prop_map(|n| Value::from(f64::from(n) / 32.0)),
        Just(json!("-Infinity")),
    ]
}

fn well_known(descriptor: &MessageDescriptor, depth: u32) -> BoxedStrategy<Value> {
    let text =
        |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(Value::from).boxed();
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => text(&[
            "2024-02-29T12:34:56Z",
            "1969-12-31T23:59:59.5Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.000000001Z",
        ]),
        "google.protobuf.Duration" => text(&["0s", "-1.5s", "315576000000s", "0.000000001s"]),
        "google.protobuf.FieldMask" => text(&["", "id", "id,scalars.i32", "wInt64"]),
        "google.protobuf.Value" => any_json().boxed(),
        "google.protobuf.Struct" => prop::collection::btree_map("\\PC{0,6}", any_json(), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed(),
        "google.protobuf.ListValue" => {
            prop::collection::vec(any_json(), 0..4).prop_map(Value::from).boxed()
        }
        "google.protobuf.Any" => text_any(),
        "google.protobuf.Empty" => Just(json!({})).boxed(),
        name if name.starts_with("google.protobuf.") => {
            let value = descriptor.get_field_by_name("value").unwrap();
            single(&value.kind(), depth)
        }
        _ => message(descriptor, depth.saturating_sub(1)),
    }
}

fn text_any() -> BoxedStrategy<Value> {
    prop_oneof![
        ("\\PC{1,6}", 1..i32::MAX).prop_map(|(name, size)| {
            json!({"@type": "type.googleapis.com/foreign.v1.Named", "name": name, "pageSize": size})
        }),
        Just(json!({"value": "1.5s", "@type": "type.googleapis.com/google.protobuf.Duration"})),
    ]
    .boxed()
}

#[test]
fn of_a_oneof_the_last_member_counts() {
    let mut wire = Vec::new();
    for json in
        [r#"{"choiceNumber": 1}"#, r#"{"choiceScalars": {"i32": 1}}"#, r#"{"choiceText": "x"}"#]
    {
        wire.extend(read(json.as_bytes()).unwrap());
    }
    let shown = write(&wire).unwrap();
    let members: Vec<_> =
        shown.as_object().unwrap().keys().filter(|k| k.starts_with("choice")).collect();
    assert_eq!(members, ["choiceText"]);
}

/// Without fields that hold their default value, which may be written or not.
fn plain(message: &DynamicMessage) -> DynamicMessage {
    DynamicMessage::decode(WORLD.descriptor.clone(), message.encode_to_vec().as_slice()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_bytes_are_written_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = write(&bytes);
    }

    #[test]
    fn the_syntax_is_that_of_serde_json(text in "[\\[\\]{}\",:0-9.eE+\\-\\\\untrfalsd8 \\n]{0,24}") {
        // serde_json has numbers that do not fit a double as errors; here they are the field's matter.
        let other = serde_json::from_str::<Value>(&text);
        if !other.as_ref().is_err_and(|e| e.to_string().contains("number out of range")) {
            prop_assert_eq!(is_json(&text), other.is_ok(), "{:?}: {:?}", text, other);
        }
    }

    #[test]
    fn what_serde_json_writes_is_read(json in any_json(), cut in any::<prop::sample::Index>()) {
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            prop_assert!(is_json(&text));
            let cut = cut.index(text.len() + 1);
            if text.is_char_boundary(cut) {
                prop_assert_eq!(is_json(&text[..cut]), serde_json::from_str::<Value>(&text[..cut]).is_ok());
            }
        }
    }

    #[test]
    fn strings_are_those_of_serde_json(text in "\\PC{0,20}|[\\x00-\\x1f\"\\\\]{0,8}") {
        let quoted = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(Lexer::new(&quoted).string().unwrap(), text);
    }

    #[test]
    fn any_json_is_read_or_refused(json in any_json()) {
        let _ = read(json.to_string().as_bytes());
        let _ = read(json!({"data": json, "extra": json, "child": json}).to_string().as_bytes());
        let wire = read(json!({"value": json}).to_string().as_bytes());
        prop_assert!(wire.is_ok());
    }

    #[test]
    fn messages_are_read_as_prost_reflect_reads_them(json in message(&WORLD.descriptor, 2)) {
        let text = json.to_string();
        let ours = read(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}"));
        let ours = DynamicMessage::decode(WORLD.descriptor.clone(), ours.as_slice()).unwrap();
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let theirs = DynamicMessage::deserialize(WORLD.descriptor.clone(), &mut deserializer).unwrap();
        // The debug form of a message that holds itself does not end.
        prop_assert!(plain(&ours) == plain(&theirs), "{text}\n{ours}\n{theirs}");
    }

    #[test]
    fn messages_come_out_as_they_went_in(json in message(&WORLD.descriptor, 2)) {
        let wire = read(json.to_string().as_bytes()).unwrap();
        let message = DynamicMessage::decode(WORLD.descriptor.clone(), wire.as_slice()).unwrap();
        // The wire form of the other implementation has other orders and packings.
        for wire in [wire, message.encode_to_vec()] {
            let shown = write(&wire).unwrap();
            let again = read(shown.to_string().as_bytes()).unwrap();
            let again = DynamicMessage::decode(WORLD.descriptor.clone(), again.as_slice()).unwrap();
            prop_assert!(plain(&again) == plain(&message), "{shown}\n{again}\n{message}");
        }
    }

    /// Two halves of a message, one after the other, are one message to every decoder.
    #[test]
    fn parts_are_merged(one in message(&WORLD.descriptor, 2), two in message(&WORLD.descriptor, 2)) {
        let mut wire = read(one.to_string().as_bytes()).unwrap();
        wire.extend(read(two.to_string().as_bytes()).unwrap());
        let merged = DynamicMessage::decode(WORLD.descriptor.clone(), wire.as_slice()).unwrap();
        let ours = write(&wire).unwrap();
        let theirs = write(&merged.encode_to_vec()).unwrap();
        prop_assert_eq!(without_values(ours), without_values(theirs));
    }

    #[test]
    fn broken_wire_forms_are_refused(
        json in message(&WORLD.descriptor, 1),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut wire = read(json.to_string().as_bytes()).unwrap();
        if !wire.is_empty() {
            let at = at.index(wire.len());
            wire[at] = byte;
            let _ = write(&wire);
            wire.truncate(at);
            let _ = write(&wire);
        }
    }
}

/// `Value` is a oneof, and of two of them the last is taken whole, where a decoder may merge them.
fn without_values(mut json: Value) -> Value {
    fn strip(json: &mut Value) {
        if let Value::Object(map) = json {
            map.remove("value");
            map.remove("extra");
            map.values_mut().for_each(strip);
        }
    }
    strip(&mut json);
    json
}
