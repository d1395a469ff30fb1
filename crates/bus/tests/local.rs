//! The laws on the bus of one process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "local/relay.rs"]
mod relay;
#[path = "local/retention.rs"]
mod retention;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_bus::conformance::Fixture;
use gamemesh_bus::conformance::consumer::ConsumerFixture;
use gamemesh_bus::{
    Consumer, ConsumerEvent, ConsumerOptions, Consumers, Header, LocalBus, Message, Publisher,
};

use relay::Relayed;

struct Local {
    bus: LocalBus,
    reader: Box<dyn Consumer>,
    got: VecDeque<Message>,
}

#[async_trait]
impl Fixture for Local {
    async fn fresh() -> Self {
        let bus = LocalBus::new();
        let reader = bus.consumer("g", &["t"], ConsumerOptions::default()).await.unwrap();
        Self { bus, reader, got: VecDeque::new() }
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(self.bus.clone())
    }

    fn topic(&self) -> Arc<str> {
        "t".into()
    }

    async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.got.pop_front() {
                return message;
            }
            if let ConsumerEvent::Messages(messages) = self.reader.next().await.unwrap() {
                self.got.extend(messages.into_iter().map(|message| {
                    Message {
                        topic: message.partition.topic,
                        key: message.key,
                        payload: message.payload,
                        // The laws use one name.
                        headers: message
                            .headers
                            .iter()
                            .map(|header| Header { name: "n", value: header.value.clone() })
                            .collect(),
                        lane: 0,
                        position: 0,
                    }
                }));
            }
        }
    }
}

gamemesh_bus::conformance_suite!(Local);

#[async_trait]
impl ConsumerFixture for Relayed {
    async fn fresh() -> Self {
        Self::new(gamemesh_bus::conformance::consumer::PARTITIONS as u16)
    }

    fn consumers(&self) -> Arc<dyn Consumers> {
        Arc::new(self.bus.clone())
    }

    fn topic(&self) -> Arc<str> {
        "t".into()
    }

    async fn publish(&self, messages: Vec<(Bytes, Bytes)>) {
        for (key, payload) in messages {
            self.append(key, payload);
        }
    }

    fn poll_interval_min() -> Duration {
        Duration::from_millis(50)
    }
}

gamemesh_bus::consumer_conformance_suite!(Relayed);
