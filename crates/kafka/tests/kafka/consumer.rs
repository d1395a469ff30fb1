//! The laws of reading on a real broker, and what only Kafka has.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_bus::conformance::consumer::{ConsumerFixture, PARTITIONS};
use gamemesh_bus::{Consumers, Message, Publisher as _};
use gamemesh_kafka::{KafkaConsumers, KafkaOptions, KafkaPublisher};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::server;

struct Groups {
    options: KafkaOptions,
    publisher: KafkaPublisher,
    topic: Arc<str>,
    position: Mutex<u64>,
}

/// Makes a topic.
pub(crate) async fn create(brokers: &str, topic: &str, partitions: u32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let topic = NewTopic::new(topic, partitions as i32, TopicReplication::Fixed(1));
    let made = admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
    made.into_iter().for_each(|made| drop(made.unwrap()));
}

#[async_trait]
impl ConsumerFixture for Groups {
    async fn fresh() -> Self {
        let brokers = server::brokers().await;
        let topic: Arc<str> = format!("t-{}", Uuid::new_v4()).into();
        create(&brokers, &topic, PARTITIONS).await;
        let options = KafkaOptions::new(vec![brokers]);
        let publisher = KafkaPublisher::open(options.clone()).unwrap();
        Self { options, publisher, topic, position: Mutex::new(0) }
    }

    fn consumers(&self) -> Arc<dyn Consumers> {
        Arc::new(KafkaConsumers::new(self.options.clone()))
    }

    fn topic(&self) -> Arc<str> {
        self.topic.clone()
    }

    async fn publish(&self, messages: Vec<(Bytes, Bytes)>) {
        let mut position = self.position.lock().await;
        let batch = messages.into_iter().map(|(key, payload)| {
            *position += 1;
            Message {
                topic: self.topic.clone(),
                key,
                payload,
                headers: vec![],
                lane: 0,
                position: *position,
            }
        });
        let batch = batch.collect();
        let mut session = self.publisher.session().await.unwrap();
        session.publish(batch).await.await.unwrap();
    }

    /// Brokers refuse shorter sessions, and no member may poll less often than its session lasts.
    fn poll_interval_min() -> Duration {
        Duration::from_secs(6)
    }
}

gamemesh_bus::consumer_conformance_suite!(Groups);
