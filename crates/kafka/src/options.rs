//! What can be set.

use std::time::Duration;

use gamemesh_bus::BrokerSecurity;
use rdkafka::ClientConfig;

use crate::security;

/// Requests that are on their way to one broker; idempotence allows no more.
const IN_FLIGHT_REQUESTS_MAX: u32 = 5;

/// How long messages wait for company.
const LINGER: Duration = Duration::from_millis(2);

/// How long a request may take before its connection counts as dead.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a broker that is away is left alone, at most.
const RECONNECT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What the frame of a request adds to its messages, in bytes, at most.
const REQUEST_FRAME_BYTES: usize = 4_096;

/// Settings of producers and consumers.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    pub security: BrokerSecurity,
    /// The largest message, in bytes. Brokers take 1,048,588 by default (`message.max.bytes`, or
    /// `max.message.bytes` of a topic).
    pub message_bytes_max: usize,
    /// Messages that wait for the brokers, of all sessions together.
    pub queue_messages_max: usize,
    /// The same in bytes.
    pub queue_bytes_max: usize,
}

impl KafkaOptions {
    pub fn new(brokers: Vec<String>) -> Self {
        Self {
            brokers,
            security: BrokerSecurity::default(),
            message_bytes_max: 1_000_000,
            queue_messages_max: 100_000,
            queue_bytes_max: 64 << 20,
        }
    }

    /// What producers and consumers have in common.
    pub(crate) fn connection(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        let mut set = |key: &str, value: String| {
            config.set(key, value);
        };
        set("bootstrap.servers", self.brokers.join(","));
        set("client.id", "gamemesh".to_owned());
        set("socket.timeout.ms", REQUEST_TIMEOUT.as_millis().to_string());
        set("reconnect.backoff.max.ms", RECONNECT_BACKOFF_MAX.as_millis().to_string());
        security::apply(&self.security, &mut config);
        config
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.connection();
        let mut set = |key: &str, value: String| {
            config.set(key, value);
        };
        set("enable.idempotence", "true".to_owned());
        set("enable.gapless.guarantee", "true".to_owned());
        set("acks", "all".to_owned());
        set("max.in.flight.requests.per.connection", IN_FLIGHT_REQUESTS_MAX.to_string());
        set("message.timeout.ms", "0".to_owned());
        set("partitioner", "murmur2_random".to_owned());
        set("compression.type", "lz4".to_owned());
        set("linger.ms", LINGER.as_millis().to_string());
        set("message.max.bytes", (self.message_bytes_max + REQUEST_FRAME_BYTES).to_string());
        set("queue.buffering.max.messages", self.queue_messages_max.to_string());
        set("queue.buffering.max.kbytes", (self.queue_bytes_max >> 10).max(1).to_string());
        config
    }
}
