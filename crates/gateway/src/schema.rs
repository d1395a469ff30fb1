//! The descriptors, compiled for transcoding: what a field is called and how it is written is looked
//! up once at start, so that a request costs no descriptor walk.

mod compile;

use std::collections::HashMap;

/// Field numbers below this are found by index, the others by hash.
const DENSE_NUMBERS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MessageId(pub(crate) u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EnumId(u32);

/// Every message and enum of a descriptor set.
#[derive(Debug)]
pub(crate) struct Schema {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    by_name: HashMap<String, MessageId>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// By number, which is the order of the JSON members.
    pub(crate) fields: Vec<Field>,
    dense: [u16; DENSE_NUMBERS],
    sparse: HashMap<u32, u16>,
    by_name: HashMap<String, u16>,
}

/// How a message looks in JSON: as an object of its fields, or in a form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain,
    Timestamp,
    Duration,
    FieldMask,
    Wrapper,
    Struct,
    Value,
    ListValue,
    Any,
    Empty,
    /// `google.api.HttpBody`: raw bytes with their own content type.
    HttpBody,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) json_name: String,
    /// The JSON name with its quotes and colon, as it stands in an object.
    pub(crate) key: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) cardinality: Cardinality,
    /// Proto2's groups and the delimited messages of editions.
    pub(crate) group: bool,
    /// The place of the oneof in its message, and the other members of it.
    pub(crate) oneof: Option<Oneof>,
    /// Of a field that holds a mask: what the mask may describe, the likeliest first.
    pub(crate) masks: Vec<MessageId>,
}

#[derive(Debug)]
pub(crate) struct Oneof {
    pub(crate) name: String,
    pub(crate) siblings: Vec<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cardinality {
    /// `presence`: unset differs from the default value, so an unset one is not written.
    Singular {
        presence: bool,
    },
    Repeated {
        packed: bool,
    },
    Map,
}

#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) full_name: String,
    /// `google.protobuf.NullValue`, which is `null` in JSON.
    pub(crate) is_null: bool,
    names: HashMap<String, i32>,
    numbers: HashMap<i32, String>,
    default: i32,
}

impl Schema {
    pub(crate) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0 as usize]
    }

    pub(crate) fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.0 as usize]
    }

    pub(crate) fn find(&self, full_name: &str) -> Option<MessageId> {
        self.by_name.get(full_name).copied()
    }

    /// The message that a singular or repeated field holds, with its plan.
    pub(crate) fn message_of(&self, field: &Field) -> Option<&Message> {
        match field.kind {
            Kind::Message(id) => Some(self.message(id)),
            _ => None,
        }
    }
}

impl Message {
    pub(crate) fn by_number(&self, number: u32) -> Option<usize> {
        let index = match self.dense.get(number as usize) {
            Some(index) => *index,
            None => *self.sparse.get(&number)?,
        };
        (index != u16::MAX).then_some(index as usize)
    }

    /// The fields in their order, for a message that lists what is accepted.
    pub(crate) fn accepted(&self) -> String {
        let names = self.fields.iter().map(|field| field.json_name.as_str());
        listed(names, self.fields.len())
    }

    /// By either spelling: the name in the proto or the JSON name.
    pub(crate) fn by_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|index| *index as usize)
    }
}

impl Enum {
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.names.get(name).copied()
    }

    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        self.numbers.get(&number).map(String::as_str)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (i32, &str)> {
        self.numbers.iter().map(|(number, name)| (*number, name.as_str()))
    }

    pub(crate) fn default(&self) -> i32 {
        self.default
    }

    /// The names in the order of their numbers, for a message that lists what is accepted.
    pub(crate) fn accepted(&self) -> String {
        let mut names: Vec<_> = self.numbers.iter().collect();
        names.sort();
        listed(names.iter().map(|(_, name)| name.as_str()), self.numbers.len())
    }
}

/// Names with commas between them, as far as a message should be long.
fn listed<'n>(names: impl Iterator<Item = &'n str>, count: usize) -> String {
    const NAMES_MAX: usize = 16;
    let mut listed: Vec<_> = names.take(NAMES_MAX).collect();
    if count > NAMES_MAX {
        listed.push("…");
    }
    listed.join(", ")
}

impl Kind {
    /// Whether values of this kind may share one packed run.
    pub(crate) fn is_packable(self) -> bool {
        !matches!(self, Self::String | Self::Bytes | Self::Message(_))
    }
}
