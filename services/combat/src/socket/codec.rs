//! Frames as bytes: protobuf for play, JSON of the same messages for browsers and people.

use std::sync::LazyLock;

use axum::extract::ws::Message;
use bytes::Bytes;
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};

/// The sub-protocols, the better one first.
pub(crate) const PROTOCOLS: [&str; 2] = ["combat.v1.proto", "combat.v1.json"];

/// How a connection's frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Proto,
    Json,
}

/// The messages of the socket, as JSON knows them.
struct Schema {
    client: MessageDescriptor,
    server: MessageDescriptor,
    event: MessageDescriptor,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("the descriptors of the build are whole");
    let message = |name: &str| {
        pool.get_message_by_name(&format!("gamemesh.combat.v1.{name}"))
            .expect("the contracts have the message")
    };
    Schema {
        client: message("ClientFrame"),
        server: message("ServerFrame"),
        event: message("CombatEvent"),
    }
});

impl Codec {
    /// That of a sub-protocol.
    pub(crate) fn of(protocol: &str) -> Option<Self> {
        match protocol {
            "combat.v1.proto" => Some(Self::Proto),
            "combat.v1.json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Its sub-protocol.
    pub(crate) const fn protocol(self) -> &'static str {
        match self {
            Self::Proto => PROTOCOLS[0],
            Self::Json => PROTOCOLS[1],
        }
    }

    /// Reads a frame; `None` for frames that carry no message.
    pub(crate) fn read(self, frame: &Message) -> Result<Option<pb::ClientFrame>> {
        match (self, frame) {
            (Self::Proto, Message::Binary(bytes)) => pb::ClientFrame::decode(bytes.clone())
                .map(Some)
                .map_err(|error| malformed(&error.to_string())),
            (Self::Json, Message::Text(text)) => from_json(text.as_str()).map(Some),
            (Self::Proto, Message::Text(_)) => {
                Err(malformed("combat.v1.proto has binary frames only"))
            }
            (Self::Json, Message::Binary(_)) => {
                Err(malformed("combat.v1.json has text frames only"))
            }
            _ => Ok(None),
        }
    }

    /// Writes a frame that was encoded as protobuf.
    pub(crate) fn write(self, encoded: Bytes) -> Result<Message> {
        match self {
            Self::Proto => Ok(Message::Binary(encoded)),
            Self::Json => Ok(Message::text(to_json(&SCHEMA.server, encoded)?)),
        }
    }
}

/// The JSON of an event, for the tables and for topics in JSON.
pub(crate) fn event_json(event: &pb::CombatEvent) -> Result<String> {
    to_json(&SCHEMA.event, event.encode_to_vec().into())
}

/// A client's frame in JSON, as a client writes it.
#[cfg(test)]
pub(super) fn client_json(frame: &pb::ClientFrame) -> Result<String> {
    to_json(&SCHEMA.client, frame.encode_to_vec().into())
}

fn from_json(text: &str) -> Result<pb::ClientFrame> {
    let mut json = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new();
    let message =
        DynamicMessage::deserialize_with_options(SCHEMA.client.clone(), &mut json, &options)
            .map_err(|error| malformed(&error.to_string()))?;
    json.end().map_err(|error| malformed(&error.to_string()))?;
    pb::ClientFrame::decode(Bytes::from(message.encode_to_vec())).map_err(Error::internal)
}

fn to_json(descriptor: &MessageDescriptor, encoded: Bytes) -> Result<String> {
    let message = DynamicMessage::decode(descriptor.clone(), encoded).map_err(Error::internal)?;
    let mut json = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut json);
    message
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(Error::internal)?;
    String::from_utf8(json).map_err(Error::internal)
}

fn malformed(what: &str) -> Error {
    Error::new(Code::MalformedBody, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u32) -> pb::ClientFrame {
        let position = Some(pb::Vector { x: -1_024, y: 2_048, z: 0 });
        let r#move = pb::Move { position, yaw: 65_535, pitch: -16_384, ..pb::Move::default() };
        let message = Some(pb::client_frame::Message::Move(r#move));
        pb::ClientFrame { seq, client_time_us: 1 << 53, snapshot_ack: 7, message }
    }

    #[test]
    fn both_protocols_carry_the_same_frame() {
        let binary = Message::Binary(frame(3).encode_to_vec().into());
        let text = Message::text(
            r#"{"seq":3,"clientTimeUs":"9007199254740992","snapshotAck":7,
                "move":{"position":{"x":-1024,"y":2048},"yaw":65535,"pitch":-16384}}"#,
        );
        assert_eq!(Codec::Proto.read(&binary).unwrap(), Some(frame(3)));
        assert_eq!(Codec::Json.read(&text).unwrap(), Some(frame(3)));
        assert_eq!(Codec::Json.read(&Message::Ping(Bytes::new())).unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        let nested = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
        let table = [
            "",
            "{",
            "[]",
            "null x",
            "{}{}",
            "{\"seq\":-1}",
            "{\"seq\":4294967296}",
            "{\"seq\":1.5}",
            "{\"unknown\":1}",
            "{\"move\":{\"position\":{\"x\":\"NaN\"}}}",
            "{\"move\":{\"position\":{\"x\":1e300}}}",
            "{\"move\":{\"position\":{\"x\":3000000000}}}",
            "{\"move\":{\"position\":{\"x\":\"Infinity\"}}}",
            &nested,
        ];
        for text in table {
            assert!(Codec::Json.read(&Message::text(text)).is_err(), "{text}");
        }
        assert!(Codec::Json.read(&Message::Binary(Bytes::from_static(b"{}"))).is_err());
        assert!(Codec::Proto.read(&Message::text("{}")).is_err());
        let encoded = frame(9).encode_to_vec();
        for end in 1..encoded.len() {
            // A frame that was cut off either fails or is a shorter frame; it never panics.
            let _ = Codec::Proto.read(&Message::Binary(encoded[..end].to_vec().into()));
        }
    }

    #[test]
    fn a_server_frame_is_json_with_the_names_of_the_contract() {
        let results = vec![pb::CommandResult { seq: 4, ..pb::CommandResult::default() }];
        let frame = pb::ServerFrame { event_seq: 12, results, ..pb::ServerFrame::default() };
        let Message::Text(text) = Codec::Json.write(frame.encode_to_vec().into()).unwrap() else {
            panic!("not a text frame");
        };
        assert_eq!(text.as_str(), r#"{"eventSeq":"12","results":[{"seq":4}]}"#);
    }
}
