//! The port's laws.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_bus::conformance::Fixture;
use gamemesh_bus::{Header, Message, Publisher};
use gamemesh_kafka::{KafkaOptions, KafkaPublisher};
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Headers as _, Message as _};
use uuid::Uuid;

use super::server;

/// A message that is there comes within this time, on a busy machine too.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Kafka {
    publisher: Arc<KafkaPublisher>,
    topic: Arc<str>,
    reader: StreamConsumer,
}

/// A reader of a topic from its beginning.
pub(crate) fn reader(brokers: &str, topic: &str) -> StreamConsumer {
    let reader: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", Uuid::new_v4().to_string())
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        // A topic that is made later is found soon.
        .set("topic.metadata.refresh.interval.ms", "500")
        .create()
        .unwrap();
    reader.subscribe(&[topic]).unwrap();
    reader
}

/// The next message; what only the headers could tell is left 0.
pub(crate) async fn next(reader: &StreamConsumer) -> Message {
    let came = tokio::time::timeout(MESSAGE_TIMEOUT, async {
        loop {
            // The topic may not be there yet.
            if let Ok(message) = reader.recv().await {
                return message;
            }
        }
    });
    let message = came.await.expect("no message came");
    let owned = |bytes: Option<&[u8]>| Bytes::copy_from_slice(bytes.unwrap_or_default());
    let headers = message.headers().map(|headers| headers.iter()).into_iter().flatten();
    Message {
        topic: message.topic().into(),
        key: owned(message.key()),
        payload: owned(message.payload()),
        // The laws use one name.
        headers: headers.map(|h| Header { name: "n", value: owned(h.value) }).collect(),
        lane: 0,
        position: 0,
    }
}

#[async_trait]
impl Fixture for Kafka {
    async fn fresh() -> Self {
        let brokers = server::brokers().await;
        let topic: Arc<str> = format!("t-{}", Uuid::new_v4()).into();
        let reader = reader(&brokers, &topic);
        let publisher = KafkaPublisher::open(KafkaOptions::new(vec![brokers])).unwrap();
        Self { publisher: Arc::new(publisher), topic, reader }
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        self.publisher.clone()
    }

    fn topic(&self) -> Arc<str> {
        self.topic.clone()
    }

    async fn next(&mut self) -> Message {
        next(&self.reader).await
    }
}

gamemesh_bus::conformance_suite!(Kafka);
