//! An independent consumer: everything of a topic, as it lies there.

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_client::events::{Deduplicator, EventHeaders};
use gamemesh_client::v1;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Headers as _, Message as _};

/// A message that is there comes within this time, on a busy machine too.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(90);

pub(super) struct Reader(StreamConsumer);

pub(super) struct Delivery {
    pub(super) partition: i32,
    pub(super) headers: EventHeaders,
    pub(super) payload: Vec<u8>,
}

/// What was read, by stream, in the order in which it came.
#[derive(Default)]
pub(super) struct Events {
    pub(super) new: BTreeMap<String, Vec<v1::AggregateEvent>>,
    pub(super) repeated: usize,
    seen: Deduplicator,
}

impl Reader {
    pub(super) fn open(brokers: &str, topic: &str) -> Self {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", topic)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            // A topic that is made later is found soon.
            .set("topic.metadata.refresh.interval.ms", "500")
            .create()
            .unwrap();
        consumer.subscribe(&[topic]).unwrap();
        Self(consumer)
    }

    pub(super) async fn next(&self) -> Delivery {
        let came = tokio::time::timeout(MESSAGE_TIMEOUT, async {
            loop {
                // The topic, or the broker, may not be there yet.
                if let Ok(message) = self.0.recv().await {
                    return message;
                }
            }
        });
        let message = came.await.expect("no message came");
        let headers = message.headers().unwrap();
        let headers = headers.iter().map(|header| (header.key, header.value.unwrap()));
        let headers = EventHeaders::read(headers).unwrap();
        assert_eq!(message.key().unwrap(), headers.stream.as_bytes());
        Delivery {
            partition: message.partition(),
            headers,
            payload: message.payload().unwrap().to_vec(),
        }
    }

    /// Reads until so many events have come, repeated ones not counted.
    pub(super) async fn read(&self, events: &mut Events, count: usize) {
        while events.new.values().map(Vec::len).sum::<usize>() < count {
            events.take(&self.next().await);
        }
    }
}

impl Events {
    /// Versions of a stream come in order and without a gap once repetitions are passed over.
    fn take(&mut self, delivery: &Delivery) {
        let Delivery { partition, headers, payload } = delivery;
        if !self.seen.is_new(*partition, headers) {
            self.repeated += 1;
            return;
        }
        self.seen.done(*partition, headers);
        let event = gamemesh_client::events::decode_event(payload).unwrap();
        let events = self.new.entry(headers.stream.clone()).or_default();
        assert_eq!(headers.version, events.len() as u64 + 1, "{}", headers.stream);
        assert_eq!(event.version as u64, headers.version);
        assert_eq!(event.event_id, headers.event_id);
        assert_eq!(event.position as u64, headers.position);
        events.push(event);
    }
}
