//! Where events go to and come from: Kafka, or this process alone.

use std::sync::Arc;

use gamemesh_bus::{BrokerSecurity, Consumers, LocalBus, Publisher};
#[cfg(feature = "kafka")]
use gamemesh_kafka::{KafkaConsumers, KafkaOptions, KafkaPublisher};

use crate::BackendError;

/// Both sides of the bus.
#[derive(Clone)]
pub struct Bus {
    pub publisher: Arc<dyn Publisher>,
    pub consumers: Arc<dyn Consumers>,
}

/// The brokers that make a bus for several processes.
#[derive(Debug, Clone, Default)]
pub struct Brokers {
    /// `host:port`; without any, the bus is that of this process.
    pub addresses: Vec<String>,
    pub security: BrokerSecurity,
    /// The largest message that they take.
    pub message_bytes_max: usize,
}

/// Opens the bus. Brokers that are away are no error: events wait in the log.
pub fn open_bus(brokers: Brokers) -> Result<Bus, BackendError> {
    if brokers.addresses.is_empty() {
        let local = Arc::new(LocalBus::new());
        return Ok(Bus { publisher: local.clone(), consumers: local });
    }
    kafka(brokers)
}

#[cfg(feature = "kafka")]
fn kafka(brokers: Brokers) -> Result<Bus, BackendError> {
    let options = KafkaOptions {
        security: brokers.security,
        message_bytes_max: brokers.message_bytes_max,
        ..KafkaOptions::new(brokers.addresses)
    };
    let consumers = Arc::new(KafkaConsumers::new(options.clone()));
    Ok(Bus { publisher: Arc::new(KafkaPublisher::open(options)?), consumers })
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: Brokers) -> Result<Bus, BackendError> {
    Err(BackendError::BusNotBuilt)
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("is_durable", &self.publisher.is_durable())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn brokers_choose_kafka_and_none_the_process() {
        assert!(!open_bus(Brokers::default()).unwrap().publisher.is_durable());
        // Nothing listens on port 1: that is found out later, and does not matter now.
        let addresses = vec!["127.0.0.1:1".to_owned()];
        let kafka =
            open_bus(Brokers { addresses, message_bytes_max: 1_000_000, ..Brokers::default() });
        assert_eq!(kafka.is_ok(), cfg!(feature = "kafka"));
    }
}
