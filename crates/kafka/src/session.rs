//! A session on the producer of the process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gamemesh_bus::{Message, Pending, PublishError, Refused, Session};
use rdkafka::error::RDKafkaErrorCode;

use crate::batch::{Batch, Ticket};
use crate::error::publish_error;
use crate::producer::Producer;

/// How often a full queue is looked at.
const FULL_TICK: Duration = Duration::from_millis(5);

pub(crate) struct KafkaSession {
    pub(crate) producer: Arc<Producer>,
    pub(crate) message_bytes_max: usize,
    pub(crate) over: bool,
}

#[async_trait]
impl Session for KafkaSession {
    async fn publish(&mut self, messages: Vec<Message>) -> Pending<Result<(), Refused>> {
        let batch = Batch::new();
        let mut refused = self.over.then_some((0, PublishError::Over));
        for (index, message) in messages.iter().enumerate() {
            if refused.is_some() {
                break;
            }
            refused = self.hand_over(message, batch.ticket(index)).await.err().map(|e| (index, e));
        }
        self.over = refused.is_some();
        batch.handed_over(refused);
        let producer = self.producer.clone();
        Box::pin(async move {
            tokio::select! {
                () = batch.reported() => {}
                // A refusal, of whatever message, stops the producer: what waits would wait for ever.
                () = producer.over() => {
                    producer.purge();
                    batch.reported().await;
                }
            }
            batch.outcome()
        })
    }
}

impl KafkaSession {
    /// Waits while the queue is full. What fails here was not sent, so that nothing behind it may be.
    async fn hand_over(&self, message: &Message, ticket: Ticket) -> Result<(), PublishError> {
        if message.size_bytes() > self.message_bytes_max {
            return Err(PublishError::TooLarge);
        }
        let mut ticket = Box::new(ticket);
        loop {
            if self.producer.is_over() {
                return Err(PublishError::Over);
            }
            match self.producer.send(message, ticket) {
                Ok(()) => return Ok(()),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) =>
                {
                    ticket = back;
                    tokio::time::sleep(FULL_TICK).await;
                }
                Err((error, _)) => return Err(publish_error(&error)),
            }
        }
    }
}
