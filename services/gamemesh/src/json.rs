//! Messages of the contracts as proto3 JSON, the same form as over REST.

use std::sync::LazyLock;

use gamemesh_contracts::DESCRIPTORS;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;
use serde_json::value::Serializer;

use crate::exit::{Exit, Outcome, Problem};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("the descriptors of this build are well-formed")
});

/// The message `gamemesh.state.v1.<name>` as JSON.
pub(crate) fn of(name: &str, message: &impl Message) -> Value {
    of_message(&format!("gamemesh.state.v1.{name}"), message)
}

/// The message of this full name as JSON.
pub(crate) fn of_message(name: &str, message: &impl Message) -> Value {
    let descriptor = descriptor(name);
    // Like the gateway: a script finds every field, also those that are 0 or empty.
    let options = SerializeOptions::new().skip_default_fields(false);
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .ok()
        .and_then(|message| message.serialize_with_options(Serializer, &options).ok())
        .expect("a message that was just encoded can be read back")
}

/// A JSON object as a `google.protobuf.Struct`.
pub(crate) fn to_struct(value: Value) -> Outcome<prost_types::Struct> {
    if !value.is_object() {
        return Err(Problem::new(Exit::Usage, format!("a state is a JSON object, not {value}")));
    }
    transcode("google.protobuf.Struct", value)
}

/// Any JSON value as a `google.protobuf.Value`.
pub(crate) fn to_value(value: Value) -> Outcome<prost_types::Value> {
    transcode("google.protobuf.Value", value)
}

/// A `google.protobuf.Struct` as a JSON object.
pub(crate) fn of_struct(fields: &prost_types::Struct) -> Value {
    let descriptor = descriptor("google.protobuf.Struct");
    DynamicMessage::decode(descriptor, fields.encode_to_vec().as_slice())
        .ok()
        .and_then(|message| serde_json::to_value(message).ok())
        .expect("a struct is a JSON object")
}

/// JSON as the message of this full name.
pub(crate) fn to_message<T: Message + Default>(name: &str, value: Value) -> Outcome<T> {
    transcode(name, value)
}

fn transcode<T: Message + Default>(name: &str, value: Value) -> Outcome<T> {
    DynamicMessage::deserialize(descriptor(name), value)
        .map_err(|error| Problem::usage(format!("not a value that can be kept: {error}")))?
        .transcode_to()
        .map_err(Problem::failed)
}

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).expect("the contracts have this message")
}

#[cfg(test)]
mod tests {
    use gamemesh_contracts::state::v1::Aggregate;
    use serde_json::json;

    use super::*;

    #[test]
    fn states_survive_the_way_there_and_back() {
        let state =
            json!({"gold": 12.0, "items": ["sword", null, true], "nested": {"a": {"b": 1.5}}});
        assert_eq!(of_struct(&to_struct(state.clone()).unwrap()), state);
        assert!(to_struct(json!([1])).is_err());
    }

    #[test]
    fn messages_look_as_over_rest() {
        let aggregate = Aggregate { r#type: "guild".into(), version: 3, ..Default::default() };
        let shown = json!({"type": "guild", "id": "", "version": "3"});
        assert_eq!(of("Aggregate", &aggregate), shown);
    }
}
