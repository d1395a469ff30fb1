//! The port for reading: members of a group share the partitions of topics.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_domain::{Code, Error};

/// Opens members of consumer groups.
#[async_trait]
pub trait Consumers: Send + Sync + 'static {
    /// Joins a group. Its members share the partitions of their topics; each partition belongs to one
    /// of them. A topic that is not there yet is consumed once it is.
    async fn consumer(
        &self,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Result<Box<dyn Consumer>, ConsumeError>;
}

/// One member of a group. It leaves when it is dropped.
///
/// Only [`next`](Self::next) makes progress: a member that does not call it for
/// [`poll_interval_max`](ConsumerOptions::poll_interval_max) loses its partitions.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// What happens next; waits until there is something. Dropping the future loses nothing.
    ///
    /// Calling it answers the last event: delivery of [`Assigned`](ConsumerEvent::Assigned) partitions
    /// begins, [`Revoked`](ConsumerEvent::Revoked) ones are given up. After an error the member goes on;
    /// the caller waits a moment and calls again.
    async fn next(&mut self) -> Result<ConsumerEvent, ConsumeError>;

    /// Says where to begin in a partition of the last [`Assigned`](ConsumerEvent::Assigned), for a
    /// caller that keeps its offsets with its effects. Only before the next call of `next`.
    fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<(), ConsumeError>;

    /// Saves where the group goes on: the offset behind the last message that is done with. Refused as
    /// [`Fenced`](ConsumeError::Fenced), completely, if any of the partitions is no longer this member's.
    ///
    /// A caller that keeps its offsets itself commits too: a bus in memory keeps what is not committed.
    async fn commit(&mut self, offsets: &[CommitOffset]) -> Result<(), ConsumeError>;

    /// Stops the delivery of partitions that this member has, and keeps them. A partition that is assigned
    /// again is not paused.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError>;

    /// Takes up the delivery where [`pause`](Self::pause) stopped it.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError>;

    /// Leaves the group; the partitions go to others at once.
    async fn close(self: Box<Self>) -> Result<(), ConsumeError>;
}

/// What happens to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerEvent {
    /// These partitions are this member's in addition to those that it has.
    Assigned { partitions: Vec<TopicPartition>, generation: Generation },
    /// These partitions are to be given up. They are this member's until it calls `next`: what is under
    /// way can be finished and committed before.
    Revoked(Vec<TopicPartition>),
    /// These partitions are gone already, perhaps to others. Nothing of them can be committed.
    Lost(Vec<TopicPartition>),
    /// At least one message; those of a partition in their order.
    Messages(Vec<ReceivedMessage>),
}

/// One message of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    pub partition: TopicPartition,
    pub offset: u64,
    /// Empty if it was published without.
    pub key: Bytes,
    pub payload: Bytes,
    pub headers: Arc<[ReceivedHeader]>,
    /// When it was published, in milliseconds since 1970; 0 if nobody knows.
    pub timestamp_ms: i64,
}

/// A header as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedHeader {
    pub name: Cow<'static, str>,
    pub value: Bytes,
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: u32,
}

/// Where a group goes on in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitOffset {
    pub partition: TopicPartition,
    /// Of the next message to be read.
    pub offset: u64,
}

/// Counts how often a group has shared its partitions out. It grows with every change of an owner, so
/// a store that remembers the largest of a partition can refuse the effects of an earlier owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// Where a group begins that has no offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOffset {
    Earliest,
    /// With what is published from about now on.
    Latest,
}

/// How a member reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerOptions {
    pub start: StartOffset,
    /// Messages of one [`ConsumerEvent::Messages`].
    pub poll_messages_max: usize,
    /// The same in bytes of keys, payloads and headers. One message may be larger.
    pub poll_bytes_max: usize,
    /// How long a member may take between two calls of [`Consumer::next`].
    pub poll_interval_max: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            start: StartOffset::Earliest,
            poll_messages_max: 1_000,
            poll_bytes_max: 1 << 20,
            poll_interval_max: Duration::from_secs(60),
        }
    }
}

/// Why something could not be read or committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    /// The member does not have the partition, or no longer.
    #[error("the partition is not this member's")]
    Fenced,
    /// Trying again without a change to the set-up will not help.
    #[error("refused by the broker: {0}")]
    Denied(String),
    #[error("the broker cannot be reached: {0}")]
    Unavailable(String),
}

impl From<ConsumeError> for Error {
    /// The cause goes to the log, not to the caller.
    fn from(error: ConsumeError) -> Self {
        Self::new(Code::DependencyUnavailable, "events cannot be consumed").with_context(&error)
    }
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl ReceivedMessage {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().find(|header| header.name == name).map(|header| &header.value)
    }

    /// The offset to commit once this message is done with.
    pub fn next_offset(&self) -> CommitOffset {
        CommitOffset { partition: self.partition.clone(), offset: self.offset + 1 }
    }

    /// Key, payload and headers, in bytes.
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|h| h.name.len() + h.value.len()).sum();
        self.key.len() + self.payload.len() + headers
    }
}
