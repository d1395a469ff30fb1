//! One member of a group on Kafka.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use gamemesh_bus::{
    CommitOffset, ConsumeError, Consumer, ConsumerEvent, ConsumerOptions, ReceivedMessage,
    TopicPartition,
};
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::error::consume_error;
use crate::generation::generation;
use crate::message::received;
use crate::rebalances::{Rebalance, Rebalances};

/// How often a commit is offered again that meets a rebalance under way.
const COMMIT_RETRIES_MAX: u32 = 50;

/// How long to wait in between.
const COMMIT_RETRY_DELAY: Duration = Duration::from_millis(100);

pub(crate) struct KafkaConsumer {
    /// Taken when it is dropped.
    inner: Option<Arc<StreamConsumer<Rebalances>>>,
    topics: Vec<Arc<str>>,
    options: ConsumerOptions,
    held: BTreeSet<TopicPartition>,
    /// The last event, until the next call answers it.
    unanswered: Option<Rebalance>,
    seeks: HashMap<TopicPartition, u64>,
    /// What came behind the messages of the last event.
    failed: Option<ConsumeError>,
}

impl KafkaConsumer {
    pub(crate) fn new(
        consumer: StreamConsumer<Rebalances>,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Self {
        Self {
            inner: Some(Arc::new(consumer)),
            topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
            options,
            held: BTreeSet::new(),
            unanswered: None,
            seeks: HashMap::new(),
            failed: None,
        }
    }

    fn inner(&self) -> &Arc<StreamConsumer<Rebalances>> {
        self.inner.as_ref().expect("it is there until it is dropped")
    }

    fn partition(&self, topic: &str, partition: i32) -> TopicPartition {
        let known = self.topics.iter().find(|known| &***known == topic).cloned();
        TopicPartition::new(known.unwrap_or_else(|| topic.into()), partition.unsigned_abs())
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let elements = list.elements();
        elements.iter().map(|e| self.partition(e.topic(), e.partition())).collect()
    }

    /// The last event is done with.
    fn answer(&mut self) -> KafkaResult<()> {
        let seeks = std::mem::take(&mut self.seeks);
        match self.unanswered.take() {
            Some(Rebalance::Assigned(mut list)) => {
                for (partition, offset) in seeks {
                    let offset = Offset::Offset(raw(offset));
                    list.set_partition_offset(&partition.topic, raw_partition(&partition), offset)?;
                }
                self.inner().incremental_assign(&list)?;
                // What another time was paused is not.
                self.inner().resume(&list)
            }
            Some(Rebalance::Revoked(list)) => {
                self.held.retain(|held| !contains(&list, held));
                self.inner().incremental_unassign(&list)
            }
            Some(Rebalance::Lost(_)) | None => Ok(()),
        }
    }

    fn tell(&mut self, rebalance: Rebalance) -> ConsumerEvent {
        let event = match &rebalance {
            Rebalance::Assigned(list) => {
                let partitions = self.partitions(list);
                self.held.extend(partitions.iter().cloned());
                ConsumerEvent::Assigned { partitions, generation: generation(self.inner()) }
            }
            Rebalance::Revoked(list) => ConsumerEvent::Revoked(self.partitions(list)),
            Rebalance::Lost(list) => {
                let lost = self.partitions(list);
                self.held.retain(|held| !lost.contains(held));
                ConsumerEvent::Lost(lost)
            }
        };
        self.unanswered = Some(rebalance);
        event
    }

    /// What librdkafka has fetched already, behind a first message.
    fn gather(&mut self, first: ReceivedMessage) -> ConsumerEvent {
        let consumer = self.inner().clone();
        let mut bytes = first.size_bytes();
        let mut messages = vec![first];
        while messages.len() < self.options.poll_messages_max
            && bytes < self.options.poll_bytes_max
            && consumer.context().is_empty()
        {
            match consumer.recv().now_or_never() {
                None => break,
                Some(Ok(message)) => {
                    let message = self.received(&message);
                    bytes += message.size_bytes();
                    messages.push(message);
                }
                Some(Err(error)) => {
                    self.failed = worth_telling(&error);
                    break;
                }
            }
        }
        ConsumerEvent::Messages(messages)
    }

    fn received(&self, message: &BorrowedMessage<'_>) -> ReceivedMessage {
        use rdkafka::Message as _;
        received(message, self.partition(message.topic(), message.partition()))
    }

    /// These partitions, if all are this member's.
    fn list(&self, partitions: &[TopicPartition]) -> Result<TopicPartitionList, ConsumeError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            if !self.held.contains(partition) {
                return Err(ConsumeError::Fenced);
            }
            list.add_partition(&partition.topic, raw_partition(partition));
        }
        Ok(list)
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> Result<ConsumerEvent, ConsumeError> {
        self.answer().map_err(|error| consume_error(&error))?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let consumer = self.inner().clone();
        loop {
            if let Some(rebalance) = consumer.context().pop() {
                if rebalance.is_empty() {
                    // A round in which this member gets and gives nothing is answered all the same.
                    self.unanswered = Some(rebalance);
                    self.answer().map_err(|error| consume_error(&error))?;
                    continue;
                }
                return Ok(self.tell(rebalance));
            }
            tokio::select! {
                biased;
                () = consumer.context().arrived() => {}
                message = consumer.recv() => match message {
                    Ok(message) => {
                        let first = self.received(&message);
                        return Ok(self.gather(first));
                    }
                    Err(error) => if let Some(error) = worth_telling(&error) {
                        return Err(error);
                    },
                },
            }
        }
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<(), ConsumeError> {
        match &self.unanswered {
            Some(Rebalance::Assigned(list)) if contains(list, partition) => {
                self.seeks.insert(partition.clone(), offset);
                Ok(())
            }
            _ => Err(ConsumeError::Fenced),
        }
    }

    async fn commit(&mut self, offsets: &[CommitOffset]) -> Result<(), ConsumeError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for CommitOffset { partition, offset } in offsets {
            if !self.held.contains(partition) {
                return Err(ConsumeError::Fenced);
            }
            let offset = Offset::Offset(raw(*offset));
            list.add_partition_offset(&partition.topic, raw_partition(partition), offset)
                .map_err(|error| consume_error(&error))?;
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let mut retries = 0;
        loop {
            let (consumer, list) = (self.inner().clone(), list.clone());
            let commit = move || consumer.commit(&list, CommitMode::Sync);
            let committed = tokio::task::spawn_blocking(commit).await;
            let committed =
                committed.map_err(|error| ConsumeError::Unavailable(error.to_string()))?;
            match committed {
                Ok(()) => return Ok(()),
                Err(error)
                    if error.rdkafka_error_code()
                        == Some(RDKafkaErrorCode::RebalanceInProgress)
                        && retries < COMMIT_RETRIES_MAX =>
                {
                    retries += 1;
                    tokio::time::sleep(COMMIT_RETRY_DELAY).await;
                }
                Err(error) => return Err(consume_error(&error)),
            }
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let list = self.list(partitions)?;
        self.inner().pause(&list).map_err(|error| consume_error(&error))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let list = self.list(partitions)?;
        self.inner().resume(&list).map_err(|error| consume_error(&error))
    }

    async fn close(mut self: Box<Self>) -> Result<(), ConsumeError> {
        let Some(leave) = self.leave() else { return Ok(()) };
        let left = tokio::task::spawn_blocking(leave).await;
        left.map_err(|error| ConsumeError::Unavailable(error.to_string()))
    }
}

impl KafkaConsumer {
    /// What leaves the group, which blocks.
    fn leave(&mut self) -> Option<impl FnOnce() + Send + 'static> {
        let consumer = self.inner.clone()?;
        consumer.context().close();
        // Whatever waits for an answer would wait for ever.
        let waiting = std::iter::from_fn(|| consumer.context().pop());
        for rebalance in self.unanswered.take().into_iter().chain(waiting) {
            let answered = match &rebalance {
                Rebalance::Assigned(list) => consumer.incremental_assign(list),
                Rebalance::Revoked(list) => consumer.incremental_unassign(list),
                Rebalance::Lost(_) => Ok(()),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "a consumer that ends could not answer a rebalance");
            }
        }
        let last = self.inner.take();
        Some(move || drop((consumer, last)))
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        if let Some(leave) = self.leave() {
            std::thread::spawn(leave);
        }
    }
}

/// Offsets of Kafka are not negative, and far from the end of the number.
fn raw(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn raw_partition(partition: &TopicPartition) -> i32 {
    i32::try_from(partition.partition).unwrap_or(i32::MAX)
}

fn contains(list: &TopicPartitionList, partition: &TopicPartition) -> bool {
    list.find_partition(&partition.topic, raw_partition(partition)).is_some()
}

/// Not what passes by itself: a topic may not be there yet, and a member that was too slow is told what
/// it has lost.
fn worth_telling(error: &KafkaError) -> Option<ConsumeError> {
    use RDKafkaErrorCode as E;
    match error.rdkafka_error_code() {
        Some(
            E::UnknownTopicOrPartition
            | E::UnknownTopic
            | E::UnknownPartition
            | E::PollExceeded
            | E::PartitionEOF,
        ) => None,
        _ => Some(consume_error(error)),
    }
}
