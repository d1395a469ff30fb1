//! Where events go: Kafka, or nowhere but to this process.

use std::sync::Arc;

use gamemesh_bus::{LocalBus, Publisher};
#[cfg(feature = "kafka")]
use gamemesh_kafka::{KafkaOptions, KafkaPublisher};

use crate::BackendError;

/// The bus of this process.
#[derive(Clone)]
pub struct Bus {
    pub publisher: Arc<dyn Publisher>,
    /// What a subscriber in this process asks, where there is no broker.
    pub local: Option<LocalBus>,
}

/// Opens the bus on these brokers; without any, that of this process. Brokers that are away are no
/// error: events wait in the log.
pub fn open_bus(brokers: &[String], message_bytes_max: usize) -> Result<Bus, BackendError> {
    if brokers.is_empty() {
        let local = LocalBus::new();
        return Ok(Bus { publisher: Arc::new(local.clone()), local: Some(local) });
    }
    kafka(brokers, message_bytes_max)
}

#[cfg(feature = "kafka")]
fn kafka(brokers: &[String], message_bytes_max: usize) -> Result<Bus, BackendError> {
    let options = KafkaOptions { message_bytes_max, ..KafkaOptions::new(brokers.to_vec()) };
    Ok(Bus { publisher: Arc::new(KafkaPublisher::open(options)?), local: None })
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: &[String], _: usize) -> Result<Bus, BackendError> {
    Err(BackendError::BusNotBuilt)
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("local", &self.local.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn brokers_choose_kafka_and_none_the_process() {
        assert!(open_bus(&[], 1_000_000).unwrap().local.is_some());
        // Nothing listens on port 1: that is found out later, and does not matter now.
        let kafka = open_bus(&["127.0.0.1:1".to_owned()], 1_000_000);
        assert_eq!(kafka.is_ok(), cfg!(feature = "kafka"));
    }
}
