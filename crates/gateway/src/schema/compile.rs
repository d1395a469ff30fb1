//! From a descriptor pool to a [`Schema`].

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind as ProtoKind, MessageDescriptor,
};

use super::{
    Cardinality, DENSE_NUMBERS, Enum, EnumId, Field, Kind, Message, MessageId, Oneof, Schema, Shape,
};

struct Names {
    messages: HashMap<String, MessageId>,
    enums: HashMap<String, EnumId>,
}

impl Schema {
    pub(crate) fn compile(pool: &DescriptorPool) -> Self {
        let ids = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
        let names = Names {
            messages: pool
                .all_messages()
                .enumerate()
                .map(|(i, m)| (m.full_name().to_owned(), MessageId(ids(i))))
                .collect(),
            enums: pool
                .all_enums()
                .enumerate()
                .map(|(i, e)| (e.full_name().to_owned(), EnumId(ids(i))))
                .collect(),
        };
        Self {
            messages: pool.all_messages().map(|m| message(&m, &names)).collect(),
            enums: pool.all_enums().map(|e| enumeration(&e)).collect(),
            by_name: names.messages,
        }
    }
}

fn message(descriptor: &MessageDescriptor, names: &Names) -> Message {
    let descriptors: Vec<_> = descriptor.fields().collect();
    let index_of = |number: u32| {
        descriptors.iter().position(|f| f.number() == number).map_or(u16::MAX, |i| i as u16)
    };
    let mut fields: Vec<_> = descriptors.iter().map(|f| field(f, names, &index_of)).collect();
    let mask = names.messages.get("google.protobuf.FieldMask").copied().map(Kind::Message);
    if fields.iter().any(|field| Some(field.kind) == mask) {
        let beside = fields.iter().map(|field| (field.kind, field.cardinality));
        let described = crate::json::described(beside, names.messages[descriptor.full_name()]);
        for field in fields.iter_mut().filter(|field| Some(field.kind) == mask) {
            field.masks.clone_from(&described);
        }
    }

    let mut dense = [u16::MAX; DENSE_NUMBERS];
    let mut sparse = HashMap::new();
    let mut by_name = HashMap::new();
    for (index, field) in (0u16..).zip(&fields) {
        match dense.get_mut(field.number as usize) {
            Some(slot) => *slot = index,
            None => {
                sparse.insert(field.number, index);
            }
        }
        by_name.entry(field.name.clone()).or_insert(index);
        by_name.insert(field.json_name.clone(), index);
    }
    Message {
        name: descriptor.full_name().to_owned(),
        shape: shape(descriptor.full_name()),
        fields,
        dense,
        sparse,
        by_name,
    }
}

fn field(descriptor: &FieldDescriptor, names: &Names, index_of: &dyn Fn(u32) -> u16) -> Field {
    let cardinality = if descriptor.is_map() {
        Cardinality::Map
    } else if descriptor.is_list() {
        Cardinality::Repeated { packed: descriptor.is_packed() }
    } else {
        Cardinality::Singular { presence: descriptor.supports_presence() }
    };
    let oneof =
        descriptor.containing_oneof().filter(|oneof| !oneof.is_synthetic()).map(|oneof| Oneof {
            name: oneof.name().to_owned(),
            siblings: oneof
                .fields()
                .filter(|f| f.number() != descriptor.number())
                .map(|f| index_of(f.number()))
                .collect(),
        });
    let mut key = Vec::new();
    crate::json::write_string(&mut key, descriptor.json_name());
    key.push(b':');
    Field {
        number: descriptor.number(),
        name: descriptor.name().to_owned(),
        json_name: descriptor.json_name().to_owned(),
        key,
        kind: kind(&descriptor.kind(), names),
        cardinality,
        group: descriptor.is_group(),
        oneof,
        masks: Vec::new(),
    }
}

fn kind(kind: &ProtoKind, names: &Names) -> Kind {
    match kind {
        ProtoKind::Double => Kind::Double,
        ProtoKind::Float => Kind::Float,
        ProtoKind::Int32 => Kind::Int32,
        ProtoKind::Int64 => Kind::Int64,
        ProtoKind::Uint32 => Kind::Uint32,
        ProtoKind::Uint64 => Kind::Uint64,
        ProtoKind::Sint32 => Kind::Sint32,
        ProtoKind::Sint64 => Kind::Sint64,
        ProtoKind::Fixed32 => Kind::Fixed32,
        ProtoKind::Fixed64 => Kind::Fixed64,
        ProtoKind::Sfixed32 => Kind::Sfixed32,
        ProtoKind::Sfixed64 => Kind::Sfixed64,
        ProtoKind::Bool => Kind::Bool,
        ProtoKind::String => Kind::String,
        ProtoKind::Bytes => Kind::Bytes,
        ProtoKind::Message(message) => Kind::Message(names.messages[message.full_name()]),
        ProtoKind::Enum(enumeration) => Kind::Enum(names.enums[enumeration.full_name()]),
    }
}

fn enumeration(descriptor: &EnumDescriptor) -> Enum {
    let mut numbers = HashMap::new();
    // In the order of the proto: an alias does not displace the first name of its number.
    for value in &descriptor.enum_descriptor_proto().value {
        numbers.entry(value.number()).or_insert_with(|| value.name().to_owned());
    }
    Enum {
        full_name: descriptor.full_name().to_owned(),
        is_null: descriptor.full_name() == "google.protobuf.NullValue",
        names: descriptor.values().map(|v| (v.name().to_owned(), v.number())).collect(),
        numbers,
        default: descriptor.default_value().number(),
    }
}

fn shape(full_name: &str) -> Shape {
    if full_name == "google.api.HttpBody" {
        return Shape::HttpBody;
    }
    match full_name.strip_prefix("google.protobuf.") {
        Some("Timestamp") => Shape::Timestamp,
        Some("Duration") => Shape::Duration,
        Some("FieldMask") => Shape::FieldMask,
        Some("Struct") => Shape::Struct,
        Some("Value") => Shape::Value,
        Some("ListValue") => Shape::ListValue,
        Some("Any") => Shape::Any,
        Some("Empty") => Shape::Empty,
        Some(
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
            | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
        ) => Shape::Wrapper,
        _ => Shape::Plain,
    }
}
