//! The messages of one partition that somebody may still ask for.

use std::collections::VecDeque;

use super::{PARTITION_BYTES_MAX, PARTITION_MESSAGES_MAX};
use crate::{Message, ReceivedHeader, ReceivedMessage, TopicPartition};

/// A partition is a lane of a log, an offset the position there: both stay the same over a restart.
#[derive(Debug, Default)]
pub(super) struct Partition {
    messages: VecDeque<ReceivedMessage>,
    bytes: usize,
    /// Everything from here on that has been published is in `messages`.
    base: u64,
    /// The next message has at least this offset; what is below has been published already.
    next: u64,
    /// The newest position that the log is known to have, plus one.
    end: u64,
    /// Whether anybody has said where it begins.
    is_begun: bool,
    /// Whether the publisher asks where to begin: another cannot be asked for earlier messages.
    can_replay: bool,
    /// Raised when the publisher has to begin anew, further back.
    epoch: u64,
}

impl Partition {
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn end(&self) -> u64 {
        self.end.max(self.next)
    }

    /// Says where messages begin, unless that is known.
    pub(super) fn begin(&mut self, offset: u64) {
        if !self.is_begun {
            self.is_begun = true;
            (self.base, self.next) = (offset, offset);
        }
        self.end = self.end.max(offset);
    }

    /// The publisher begins where readers need it to.
    pub(super) fn set_replayed(&mut self) {
        self.can_replay = true;
    }

    pub(super) fn is_full(&self, size_bytes: usize) -> bool {
        let is_over = self.messages.len() >= PARTITION_MESSAGES_MAX
            || self.bytes + size_bytes > PARTITION_BYTES_MAX;
        is_over && !self.messages.is_empty()
    }

    /// Takes a message, unless it has been taken already.
    pub(super) fn push(&mut self, message: Message, timestamp_ms: i64) {
        self.begin(message.position);
        if message.position < self.next {
            return;
        }
        self.next = message.position + 1;
        self.bytes += message.size_bytes();
        let headers = message.headers.into_iter();
        self.messages.push_back(ReceivedMessage {
            partition: TopicPartition { topic: message.topic, partition: message.lane.into() },
            offset: message.position,
            key: message.key,
            payload: message.payload,
            headers: headers
                .map(|h| ReceivedHeader { name: h.name.into(), value: h.value })
                .collect(),
            timestamp_ms,
        });
    }

    /// Somebody reads from here on: what is no longer kept has to be published again.
    pub(super) fn require(&mut self, offset: u64) {
        if self.is_begun && (offset >= self.base || !self.can_replay) {
            return;
        }
        self.end = self.end();
        self.messages.clear();
        (self.bytes, self.is_begun) = (0, true);
        (self.base, self.next) = (offset, offset);
        self.epoch += 1;
    }

    /// Nobody asks for what is below any more.
    pub(super) fn discard_before(&mut self, offset: u64) {
        while self.messages.front().is_some_and(|message| message.offset < offset)
            && let Some(message) = self.messages.pop_front()
        {
            self.bytes -= size_bytes(&message);
        }
        self.base = self.base.max(offset.min(self.next));
    }

    /// Nobody reads: nothing is kept, and whoever comes says where to begin.
    pub(super) fn forget(&mut self) {
        let (end, epoch, can_replay) = (self.end(), self.epoch + 1, self.can_replay);
        *self = Self { end, epoch, can_replay, ..Self::default() };
    }

    /// Messages from an offset on.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = &ReceivedMessage> {
        let first = self.messages.partition_point(|message| message.offset < offset);
        self.messages.range(first..)
    }
}

/// The same as that of the message that was published.
fn size_bytes(message: &ReceivedMessage) -> usize {
    let names = message.headers.len() * Message::HEADER_BYTES;
    Message::FRAME_BYTES + message.size_bytes() + names
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Header;

    fn message(position: u64) -> Message {
        Message {
            topic: "t".into(),
            key: Bytes::from_static(b"key"),
            payload: Bytes::from_static(b"payload"),
            headers: vec![Header { name: "name", value: Bytes::from_static(b"value") }],
            lane: 0,
            position,
        }
    }

    fn offsets(partition: &Partition, from: u64) -> Vec<u64> {
        partition.from(from).map(|message| message.offset).collect()
    }

    #[test]
    fn what_was_taken_is_not_taken_again_and_what_is_discarded_frees_its_bytes() {
        let mut partition = Partition::default();
        for position in [5, 6, 6, 5, 7] {
            partition.push(message(position), 1);
        }
        assert_eq!(offsets(&partition, 0), [5, 6, 7]);
        assert_eq!(partition.bytes, 3 * message(1).size_bytes());
        partition.discard_before(7);
        assert_eq!(offsets(&partition, 0), [7]);
        partition.discard_before(100);
        assert_eq!((partition.bytes, partition.next(), partition.base), (0, 8, 8));
    }

    #[test]
    fn who_reads_further_back_makes_the_publisher_begin_anew() {
        let mut partition = Partition::default();
        (1..=10).for_each(|position| partition.push(message(position), 1));
        partition.discard_before(6);
        partition.require(3);
        assert_eq!((partition.epoch(), partition.next()), (0, 11), "it cannot");
        partition.set_replayed();
        partition.require(8);
        assert_eq!((partition.epoch(), partition.next()), (0, 11));
        partition.require(3);
        assert_eq!((partition.epoch(), partition.next(), partition.end()), (1, 3, 11));
        partition.push(message(3), 1);
        assert_eq!(offsets(&partition, 0), [3]);
    }
}
