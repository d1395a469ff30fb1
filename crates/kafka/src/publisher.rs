//! The publisher: sessions on one producer, and another producer after a refusal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gamemesh_bus::{PublishError, Publisher, Session};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::error::OpenError;
use crate::options::KafkaOptions;
use crate::producer::Producer;
use crate::session::KafkaSession;

/// How long health waits for a broker.
const PING_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Facts go to Kafka.
pub struct KafkaPublisher {
    options: KafkaOptions,
    current: Mutex<Current>,
    began: Instant,
    /// Always: a topic keeps messages for readers that come later.
    has_subscribers: watch::Sender<bool>,
}

struct Current {
    producer: Arc<Producer>,
    backoff: Backoff,
    /// The end of this producer is in the back-off already.
    buried: bool,
}

impl KafkaPublisher {
    /// Brokers that are away are no error: messages wait for them.
    pub fn open(options: KafkaOptions) -> Result<Self, OpenError> {
        let producer = Arc::new(Producer::new(&options)?);
        let current = Current { producer, backoff: Backoff::default(), buried: false };
        Ok(Self {
            options,
            current: Mutex::new(current),
            began: Instant::now(),
            has_subscribers: watch::Sender::new(true),
        })
    }

    /// The producer, another one if the last is over and its back-off has passed.
    fn producer(&self) -> Result<Arc<Producer>, PublishError> {
        let now = self.began.elapsed();
        let mut current = self.current.lock();
        if !current.producer.is_over() {
            return Ok(current.producer.clone());
        }
        if !current.buried {
            current.buried = true;
            if current.producer.has_acknowledged() {
                current.backoff.succeeded();
            }
            current.backoff.failed(now, rand::random());
        }
        if let Some(wait) = current.backoff.wait(now) {
            let wait = format!("the next try is in {} ms", wait.as_millis());
            return Err(PublishError::Unavailable(wait));
        }
        let made = Producer::new(&self.options);
        let made = made.map_err(|error| PublishError::Unavailable(error.to_string()))?;
        current.producer = Arc::new(made);
        current.buried = false;
        Ok(current.producer.clone())
    }
}

#[async_trait]
impl Publisher for KafkaPublisher {
    async fn session(&self) -> Result<Box<dyn Session>, PublishError> {
        let producer = self.producer()?;
        let message_bytes_max = self.options.message_bytes_max;
        Ok(Box::new(KafkaSession { producer, message_bytes_max, over: false }))
    }

    fn message_bytes_max(&self) -> usize {
        self.options.message_bytes_max
    }

    fn has_subscribers(&self, _topics: &[Arc<str>]) -> watch::Receiver<bool> {
        self.has_subscribers.subscribe()
    }

    fn is_durable(&self) -> bool {
        true
    }

    async fn ping(&self) -> Result<(), PublishError> {
        let producer = self.current.lock().producer.clone();
        if producer.is_over() {
            return Err(PublishError::Unavailable("the producer begins anew".to_owned()));
        }
        // A connection that is lost is told; that it is back shows only when it is used.
        if !producer.is_away() {
            return Ok(());
        }
        let asked = tokio::task::spawn_blocking(move || producer.ask(PING_TIMEOUT)).await;
        match asked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(PublishError::Unavailable(error.to_string())),
            Err(error) => Err(PublishError::Unavailable(error.to_string())),
        }
    }
}

impl std::fmt::Debug for KafkaPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaPublisher").field("options", &self.options).finish_non_exhaustive()
    }
}
