//! Topics and groups of the bus of one process, under its lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::group::{Group, Member, MemberId, POLL_INTERVAL_MIN, Phase, Progress};
use super::partition::Partition;
use crate::{
    CommitOffset, ConsumeError, ConsumerEvent, ConsumerOptions, Generation, ReceivedMessage,
    TopicPartition,
};

#[derive(Debug)]
pub(super) struct State {
    topics: HashMap<Arc<str>, Topic>,
    groups: HashMap<Arc<str>, Group>,
    watchers: Vec<Watcher>,
    next_member: MemberId,
    generation: u64,
}

#[derive(Debug, Default)]
struct Topic {
    partitions: Vec<Partition>,
    is_read: bool,
}

/// Somebody who wants to know whether any of these topics is read.
#[derive(Debug)]
struct Watcher {
    topics: Vec<Arc<str>>,
    is_read: watch::Sender<bool>,
}

/// What a call of `next` has answered.
pub(super) struct Answered {
    pub(super) given_up: bool,
    /// Whether a partition may have to be published again.
    pub(super) requires: bool,
}

impl State {
    /// Generations begin here, so that they grow over a restart.
    pub(super) fn new(generation: u64) -> Self {
        Self {
            topics: HashMap::new(),
            groups: HashMap::new(),
            watchers: Vec::new(),
            next_member: 1,
            generation,
        }
    }

    pub(super) fn watch_readers(&mut self, topics: &[Arc<str>]) -> watch::Receiver<bool> {
        let is_read = topics.iter().any(|topic| self.is_read(topic));
        let (is_read, receiver) = watch::channel(is_read);
        self.watchers.push(Watcher { topics: topics.into(), is_read });
        receiver
    }

    pub(super) fn is_read(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.is_read)
    }

    /// Members have come or gone.
    fn set_read(&mut self, topic: &str, is_read: bool) {
        self.topic(topic).is_read = is_read;
        self.watchers.retain(|watcher| !watcher.is_read.is_closed());
        for watcher in &self.watchers {
            let is_read = watcher.topics.iter().any(|topic| self.is_read(topic));
            watcher.is_read.send_if_modified(|was| std::mem::replace(was, is_read) != is_read);
        }
    }

    fn topic(&mut self, topic: &str) -> &mut Topic {
        let known = self.topics.get_key_value(topic).map(|(name, _)| name.clone());
        self.topics.entry(known.unwrap_or_else(|| topic.into())).or_default()
    }

    /// A partition that somebody publishes. If it is new, the groups share it out.
    pub(super) fn partition(&mut self, topic: &str, lane: u16) -> Option<&mut Partition> {
        let at = usize::from(lane);
        if self.topic(topic).partitions.len() <= at {
            self.topic(topic).partitions.resize_with(at + 1, Partition::default);
            self.rebalance(topic);
        }
        self.topics.get_mut(topic)?.partitions.get_mut(at)
    }

    /// A lane's publisher begins; without readers of earlier messages, at this offset. Answers where it
    /// begins, and the epoch in which it does.
    pub(super) fn begin(&mut self, topic: &str, lane: u16, offset: u64) -> (u64, u64) {
        let is_read = self.is_read(topic);
        let Some(partition) = self.partition(topic, lane) else { return (offset, 0) };
        if !is_read {
            // What nobody reads is dropped: whoever comes says where he needs it to begin.
            return (offset, partition.epoch());
        }
        partition.begin(offset);
        let begun = (partition.next(), partition.epoch());
        let end = partition.end();
        self.resolve(topic, lane, end);
        begun
    }

    /// Groups that wanted the end of a partition before it was known get it.
    fn resolve(&mut self, topic: &str, lane: u16, end: u64) {
        for group in self.groups.values_mut().filter(|group| group.reads(topic)) {
            for (at, progress) in &mut group.progress {
                if &*at.topic == topic && at.partition == u32::from(lane) {
                    let next = *progress.next.get_or_insert(end);
                    progress.committed.get_or_insert(next);
                }
            }
        }
    }

    pub(super) fn join(
        &mut self,
        group: &str,
        topics: &BTreeSet<String>,
        options: ConsumerOptions,
    ) -> MemberId {
        let id = self.next_member;
        self.next_member += 1;
        let generation = self.generation;
        let group = self.groups.entry(group.into()).or_insert_with(|| Group::new(generation));
        let options = ConsumerOptions {
            poll_interval_max: options.poll_interval_max.max(POLL_INTERVAL_MIN),
            ..options
        };
        let member = Member {
            topics: topics.clone(),
            options,
            holdings: BTreeMap::new(),
            turn: 0,
            polled: Instant::now(),
        };
        group.members.insert(id, member);
        for topic in topics {
            self.set_read(topic, true);
            self.rebalance(topic);
        }
        id
    }

    pub(super) fn leave(&mut self, group: &str, id: MemberId) {
        let member = self.groups.get_mut(group).and_then(|group| group.members.remove(&id));
        if let Some(member) = member {
            self.removed(&member.topics);
        }
    }

    /// Members of these topics have gone.
    fn removed(&mut self, topics: &BTreeSet<String>) {
        for topic in topics {
            self.rebalance(topic);
            let is_read = self.groups.values().any(|group| group.reads(topic));
            self.set_read(topic, is_read);
            if !is_read {
                self.topic(topic).partitions.iter_mut().for_each(Partition::forget);
            }
            self.discard(topic);
        }
    }

    fn rebalance(&mut self, topic: &str) {
        let Some((topic, entry)) = self.topics.get_key_value(topic) else { return };
        let Ok(partitions) = u32::try_from(entry.partitions.len()) else { return };
        for group in self.groups.values_mut() {
            group.rebalance(topic, partitions);
        }
    }

    pub(super) fn is_member(&self, group: &str, id: MemberId) -> bool {
        self.groups.get(group).is_some_and(|group| group.members.contains_key(&id))
    }

    pub(super) fn member(&mut self, group: &str, id: MemberId) -> Option<&mut Member> {
        self.groups.get_mut(group)?.members.get_mut(&id)
    }

    /// Puts silent members out that keep others waiting.
    pub(super) fn expire(&mut self, group: &str, now: Instant) -> bool {
        let Some(entry) = self.groups.get_mut(group) else { return false };
        let topics = entry.members.values().flat_map(|m| m.topics.iter().cloned()).collect();
        let expired = entry.expire(now);
        if expired {
            self.removed(&topics);
        }
        expired
    }

    pub(super) fn next_expiry(&self, group: &str) -> Option<Instant> {
        self.groups.get(group)?.next_expiry()
    }

    /// A member calls again: it has taken over what it was assigned, and given up what was revoked.
    pub(super) fn answer(&mut self, group: &str, id: MemberId, now: Instant) -> Answered {
        let mut answered = Answered { given_up: false, requires: false };
        let Some(member) = self.member(group, id) else { return answered };
        member.polled = now;
        let before = member.holdings.len();
        member.holdings.retain(|_, holding| holding.phase != Phase::Revoked);
        answered.given_up = member.holdings.len() < before;
        let start = member.options.start;
        let begun = member.advance(Phase::Assigned, Phase::Active);
        let seeks: Vec<_> =
            begun.iter().map(|at| member.holdings.get(at).and_then(|h| h.seek)).collect();
        let topics = if answered.given_up { member.topics.clone() } else { BTreeSet::new() };
        answered.requires = !begun.is_empty();
        for (at, seek) in begun.into_iter().zip(seeks) {
            let partition = self
                .topics
                .get_mut(&at.topic)
                .and_then(|topic| topic.partitions.get_mut(usize::try_from(at.partition).ok()?));
            let (Some(partition), Some(group)) = (partition, self.groups.get_mut(group)) else {
                continue;
            };
            let progress = group.progress.entry(at).or_default();
            let end = partition.is_begun().then(|| partition.end());
            let next = progress.start(seek, start, end);
            if let Some(next) = next {
                partition.require(next);
            }
            *progress = Progress { next, committed: next };
        }
        topics.iter().for_each(|topic| self.rebalance(topic));
        answered
    }

    /// The next event of a member.
    pub(super) fn event(&mut self, group: &str, id: MemberId) -> Option<ConsumerEvent> {
        let group = self.groups.get_mut(group)?;
        let generation = Generation(group.generation);
        let member = group.members.get_mut(&id)?;
        let revoked = member.advance(Phase::Leaving, Phase::Revoked);
        if !revoked.is_empty() {
            return Some(ConsumerEvent::Revoked(revoked));
        }
        let partitions = member.advance(Phase::New, Phase::Assigned);
        if !partitions.is_empty() {
            return Some(ConsumerEvent::Assigned { partitions, generation });
        }
        let mut room = Room::of(&member.options);
        let mut messages: Vec<ReceivedMessage> = Vec::new();
        // Each partition is the first in its turn: a busy one does not starve the others.
        member.turn = (member.turn + 1) % member.holdings.len().max(1);
        let (later, first) =
            (member.holdings.iter().take(member.turn), member.holdings.iter().skip(member.turn));
        for (at, holding) in first.chain(later) {
            if holding.phase != Phase::Active || holding.is_paused {
                continue;
            }
            let partition = self.topics.get(&at.topic)?.partitions.get(at.partition as usize)?;
            let Some(next) = group.progress.get_mut(at).and_then(|p| p.next.as_mut()) else {
                continue;
            };
            for message in partition.from(*next).take_while(|message| room.takes(message)) {
                *next = message.offset + 1;
                messages.push(message.clone());
            }
        }
        (!messages.is_empty()).then_some(ConsumerEvent::Messages(messages))
    }

    pub(super) fn commit(
        &mut self,
        group: &str,
        id: MemberId,
        offsets: &[CommitOffset],
    ) -> Result<(), ConsumeError> {
        let entry = self.groups.get_mut(group).ok_or(ConsumeError::Fenced)?;
        let member = entry.members.get(&id).ok_or(ConsumeError::Fenced)?;
        if !offsets.iter().all(|offset| member.owns(&offset.partition)) {
            return Err(ConsumeError::Fenced);
        }
        let mut topics = BTreeSet::new();
        for CommitOffset { partition, offset } in offsets {
            entry.progress.entry(partition.clone()).or_default().committed = Some(*offset);
            topics.insert(partition.topic.clone());
        }
        topics.iter().for_each(|topic| self.discard(topic));
        Ok(())
    }

    /// Lets go of what no group asks for again.
    fn discard(&mut self, topic: &str) {
        let Some((name, entry)) = self.topics.get_key_value(topic) else { return };
        let name = name.clone();
        let floors: Vec<u64> = (0..entry.partitions.len() as u32)
            .map(|partition| {
                let at = TopicPartition { topic: name.clone(), partition };
                let groups = self.groups.values().filter(|group| group.reads(topic));
                let committed = |group: &Group| group.progress.get(&at)?.committed;
                groups.map(|group| committed(group).unwrap_or(0)).min().unwrap_or(u64::MAX)
            })
            .collect();
        let partitions = &mut self.topic(topic).partitions;
        for (partition, floor) in partitions.iter_mut().zip(floors) {
            partition.discard_before(floor);
        }
    }
}

/// What still fits into a poll.
struct Room {
    messages: usize,
    bytes: usize,
    is_empty: bool,
}

impl Room {
    fn of(options: &ConsumerOptions) -> Self {
        let messages = options.poll_messages_max.max(1);
        Self { messages, bytes: options.poll_bytes_max, is_empty: true }
    }

    /// The first message fits always.
    fn takes(&mut self, message: &ReceivedMessage) -> bool {
        let size_bytes = message.size_bytes();
        if !self.is_empty && (self.messages == 0 || size_bytes > self.bytes) {
            return false;
        }
        self.is_empty = false;
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size_bytes);
        true
    }
}
