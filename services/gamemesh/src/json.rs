//! Messages of the contracts as proto3 JSON, the same form as over REST.

use std::sync::LazyLock;

use gamemesh_contracts::DESCRIPTORS;
use gamemesh_gateway::JsonCodec;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;
use serde_json::value::Serializer;

use crate::exit::{Outcome, Problem};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("the descriptors of this build are well-formed")
});

/// Reads as the gateway does: the usual parsers of JSON are off by the last bit for some numbers.
static CODEC: LazyLock<JsonCodec> = LazyLock::new(|| {
    JsonCodec::new(DESCRIPTORS).expect("the descriptors of this build are well-formed")
});

/// Whole numbers up to here are written without a fraction: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The message `gamemesh.state.v1.<name>` as JSON.
pub(crate) fn of(name: &str, message: &impl Message) -> Value {
    of_message(&format!("gamemesh.state.v1.{name}"), message)
}

/// The message of this full name as JSON.
pub(crate) fn of_message(name: &str, message: &impl Message) -> Value {
    let descriptor = descriptor(name);
    // Like the gateway: a script finds every field, also those that are 0 or empty.
    let options = SerializeOptions::new().skip_default_fields(false);
    let shown = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .ok()
        .and_then(|message| message.serialize_with_options(Serializer, &options).ok())
        .expect("a message that was just encoded can be read back");
    whole(shown)
}

/// JSON text, an object, as a `google.protobuf.Struct`.
pub(crate) fn read_struct(text: &str) -> Outcome<prost_types::Struct> {
    read("google.protobuf.Struct", text)
}

/// Any JSON text as a `google.protobuf.Value`.
pub(crate) fn read_value(text: &str) -> Outcome<prost_types::Value> {
    read("google.protobuf.Value", text)
}

/// JSON text as the message of this full name.
pub(crate) fn read<T: Message + Default>(name: &str, text: &str) -> Outcome<T> {
    let read = CODEC.read(name, text.as_bytes());
    let wire = read.map_err(|error| Problem::usage(error.message))?;
    T::decode(wire.as_slice()).map_err(Problem::failed)
}

/// A `google.protobuf.Struct` as a JSON object.
pub(crate) fn of_struct(fields: &prost_types::Struct) -> Value {
    let descriptor = descriptor("google.protobuf.Struct");
    let shown = DynamicMessage::decode(descriptor, fields.encode_to_vec().as_slice())
        .ok()
        .and_then(|message| serde_json::to_value(message).ok())
        .expect("a struct is a JSON object");
    whole(shown)
}

/// Whole numbers as whole numbers, as over REST: 7 rather than 7.0.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double)
                if number.is_f64()
                    && double.fract() == 0.0
                    && double.abs() <= WHOLE_MAX
                    && !(double == 0.0 && double.is_sign_negative()) =>
            {
                Value::from(double as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, whole(value))).collect()
        }
        other => other,
    }
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
        let state = r#"{"gold":12,"items":["sword",null,true],"nested":{"a":{"b":1.5}}}"#;
        assert_eq!(of_struct(&read_struct(state).unwrap()).to_string(), state);
        assert!(read_struct("[1]").is_err());
    }

    #[test]
    fn a_number_reads_back_to_the_same_bits() {
        let there_and_back = |number: f64| {
            let kind = prost_types::value::Kind::NumberValue(number);
            let given = prost_types::Value { kind: Some(kind) };
            let fields = [("n".to_owned(), given)].into();
            let text = of_struct(&prost_types::Struct { fields }).to_string();
            match read_struct(&text).unwrap().fields["n"].kind {
                Some(prost_types::value::Kind::NumberValue(read)) => (read, text),
                _ => panic!("{text}"),
            }
        };
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let any = std::iter::repeat_with(|| {
            bits = bits
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(bits)
        });
        let fractions = (1..2_000).map(|n| 1.0 / f64::from(n));
        let known =
            [9_007_199_254_740_991.0, 3_640_823_396_452_570.0, 0.994_649_838_672_524_7, -0.0];
        let all =
            known.into_iter().chain(fractions).chain(any.filter(|n| n.is_finite()).take(5_000));
        for number in all {
            let (read, text) = there_and_back(number);
            assert_eq!(read.to_bits(), number.to_bits(), "{text}");
        }
        assert_eq!(there_and_back(7.0).1, r#"{"n":7}"#);
    }

    #[test]
    fn messages_look_as_over_rest() {
        let aggregate = Aggregate { r#type: "guild".into(), version: 3, ..Default::default() };
        let shown = json!({"type": "guild", "id": "", "version": "3"});
        assert_eq!(of("Aggregate", &aggregate), shown);
    }
}
