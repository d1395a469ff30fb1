//! A message of Kafka in the port's words.

use bytes::Bytes;
use gamemesh_bus::{ReceivedHeader, ReceivedMessage, TopicPartition};
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};

pub(crate) fn received(
    message: &BorrowedMessage<'_>,
    partition: TopicPartition,
) -> ReceivedMessage {
    let owned = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice).unwrap_or_default();
    let headers = message.headers().map(|headers| headers.iter()).into_iter().flatten();
    ReceivedMessage {
        partition,
        offset: message.offset().unsigned_abs(),
        key: owned(message.key()),
        payload: owned(message.payload()),
        headers: headers
            .map(|h| ReceivedHeader { name: h.key.to_owned().into(), value: owned(h.value) })
            .collect(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
    }
}
