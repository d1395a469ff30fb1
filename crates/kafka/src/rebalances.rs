//! What librdkafka tells about partitions, kept for the next call of the consumer.
//!
//! A rebalance goes on when it is answered, which need not be within the callback: the member answers with
//! its next call, after it has finished and committed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::sync::Notify;

/// A change of a member's partitions.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assigned(TopicPartitionList),
    Revoked(TopicPartitionList),
    /// Answered already: nothing is left to finish.
    Lost(TopicPartitionList),
}

impl Rebalance {
    pub(crate) fn is_empty(&self) -> bool {
        let (Self::Assigned(list) | Self::Revoked(list) | Self::Lost(list)) = self;
        list.count() == 0
    }
}

#[derive(Debug, Default)]
pub(crate) struct Rebalances {
    waiting: Mutex<VecDeque<Rebalance>>,
    arrived: Notify,
    /// The consumer goes away: nobody will answer.
    closing: AtomicBool,
}

impl Rebalances {
    pub(crate) fn pop(&self) -> Option<Rebalance> {
        self.waiting.lock().pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// Something may be there.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// From now on rebalances are answered at once.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn push(&self, rebalance: Rebalance) {
        self.waiting.lock().push_back(rebalance);
        self.arrived.notify_one();
    }
}

impl ClientContext for Rebalances {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            tracing::warn!("all Kafka brokers are away");
        } else {
            tracing::debug!(%error, reason, "librdkafka tells of a problem");
        }
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        cause: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let is_assigned = cause == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let answered = match is_assigned {
                true => consumer.incremental_assign(partitions),
                false => consumer.incremental_unassign(partitions),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "a consumer that ends could not answer a rebalance");
            }
            return;
        }
        let copy = partitions.clone();
        if is_assigned {
            self.push(Rebalance::Assigned(copy));
        } else if consumer.assignment_lost() {
            // What was not answered before is void.
            self.waiting.lock().clear();
            if let Err(error) = consumer.incremental_unassign(partitions) {
                tracing::warn!(%error, "partitions that were lost could not be given up");
            }
            self.push(Rebalance::Lost(copy));
        } else {
            self.push(Rebalance::Revoked(copy));
        }
    }
}
