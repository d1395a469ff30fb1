//! Opens members of consumer groups.

use std::time::Duration;

use async_trait::async_trait;
use gamemesh_bus::{ConsumeError, Consumer, ConsumerOptions, Consumers, StartOffset};
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};

use crate::consumer::KafkaConsumer;
use crate::error::consume_error;
use crate::options::KafkaOptions;
use crate::rebalances::Rebalances;

/// How long a process that has died keeps its partitions. Brokers refuse less than six seconds by default.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// How soon a member learns that the group is rebalancing.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How soon a topic or a partition that is new is found.
const METADATA_REFRESH: Duration = Duration::from_secs(5);

/// Messages that were fetched and wait for the caller, in bytes, of one consumer.
const FETCHED_BYTES_MAX: usize = 16 << 20;

/// What one partition adds to a fetch, in bytes, unless a message is larger.
const PARTITION_FETCH_BYTES: usize = 1 << 20;

/// Members of groups on Kafka.
#[derive(Debug, Clone)]
pub struct KafkaConsumers {
    options: KafkaOptions,
}

impl KafkaConsumers {
    /// Brokers that are away are no error: a consumer waits for them.
    pub fn new(options: KafkaOptions) -> Self {
        Self { options }
    }

    fn client(&self, group: &str, options: &ConsumerOptions) -> ClientConfig {
        let mut config = self.options.connection();
        let mut set = |key: &str, value: String| {
            config.set(key, value);
        };
        let millis = |duration: Duration| duration.as_millis().to_string();
        let start = match options.start {
            StartOffset::Earliest => "earliest",
            StartOffset::Latest => "latest",
        };
        set("group.id", group.to_owned());
        set("auto.offset.reset", start.to_owned());
        set("enable.auto.commit", "false".to_owned());
        set("enable.auto.offset.store", "false".to_owned());
        set("partition.assignment.strategy", "cooperative-sticky".to_owned());
        set("session.timeout.ms", millis(SESSION_TIMEOUT));
        set("heartbeat.interval.ms", millis(HEARTBEAT));
        set("max.poll.interval.ms", millis(options.poll_interval_max.max(SESSION_TIMEOUT)));
        set("topic.metadata.refresh.interval.ms", millis(METADATA_REFRESH));
        set("queued.max.messages.kbytes", (FETCHED_BYTES_MAX >> 10).to_string());
        let message_bytes_max = self.options.message_bytes_max;
        let partition = PARTITION_FETCH_BYTES.max(message_bytes_max);
        set("fetch.message.max.bytes", partition.to_string());
        set("fetch.max.bytes", FETCHED_BYTES_MAX.max(partition).to_string());
        config
    }
}

#[async_trait]
impl Consumers for KafkaConsumers {
    async fn consumer(
        &self,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Result<Box<dyn Consumer>, ConsumeError> {
        let rebalances = Rebalances::default();
        let client = self.client(group, &options);
        let consumer: StreamConsumer<Rebalances> =
            client.create_with_context(rebalances).map_err(|error| consume_error(&error))?;
        consumer.subscribe(topics).map_err(|error| consume_error(&error))?;
        Ok(Box::new(KafkaConsumer::new(consumer, topics, options)))
    }
}
