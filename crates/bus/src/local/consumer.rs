//! A member of a group of this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::group::{MemberId, Phase};
use crate::{CommitOffset, ConsumeError, Consumer, ConsumerEvent, ConsumerOptions, TopicPartition};

pub(super) struct LocalConsumer {
    bus: Arc<Inner>,
    group: Arc<str>,
    topics: BTreeSet<String>,
    options: ConsumerOptions,
    id: MemberId,
    /// What the member believes to have, to be told if it is lost.
    believed: BTreeSet<TopicPartition>,
}

impl LocalConsumer {
    pub(super) fn join(
        bus: Arc<Inner>,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Self {
        let topics: BTreeSet<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let id = bus.state.lock().join(group, &topics, options);
        bus.arrived.notify_waiters();
        Self { bus, group: group.into(), topics, options, id, believed: BTreeSet::new() }
    }

    /// What is there for the member now; otherwise until when it waits at most.
    fn poll(&mut self) -> Result<ConsumerEvent, Option<Instant>> {
        let mut state = self.bus.state.lock();
        let now = Instant::now();
        if !state.is_member(&self.group, self.id) {
            self.id = state.join(&self.group, &self.topics, self.options);
            self.bus.arrived.notify_waiters();
            let lost = std::mem::take(&mut self.believed);
            if !lost.is_empty() {
                return Ok(ConsumerEvent::Lost(lost.into_iter().collect()));
            }
        }
        let answered = state.answer(&self.group, self.id, now);
        if answered.given_up || state.expire(&self.group, now) {
            self.bus.arrived.notify_waiters();
        }
        if answered.given_up || answered.requires {
            self.bus.freed.notify_waiters();
        }
        let event = state.event(&self.group, self.id);
        match &event {
            Some(ConsumerEvent::Assigned { partitions, .. }) => {
                self.believed.extend(partitions.iter().cloned());
            }
            Some(ConsumerEvent::Revoked(partitions)) => {
                self.believed.retain(|partition| !partitions.contains(partition));
            }
            _ => {}
        }
        event.ok_or_else(|| state.next_expiry(&self.group))
    }

    fn set_paused(
        &self,
        partitions: &[TopicPartition],
        is_paused: bool,
    ) -> Result<(), ConsumeError> {
        let mut state = self.bus.state.lock();
        let member = state.member(&self.group, self.id).ok_or(ConsumeError::Fenced)?;
        if !partitions.iter().all(|partition| member.owns(partition)) {
            return Err(ConsumeError::Fenced);
        }
        for partition in partitions {
            if let Some(holding) = member.holdings.get_mut(partition) {
                holding.is_paused = is_paused;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for LocalConsumer {
    async fn next(&mut self) -> Result<ConsumerEvent, ConsumeError> {
        loop {
            let bus = self.bus.clone();
            let mut arrived = std::pin::pin!(bus.arrived.notified());
            // What arrives between the look and the wait wakes it.
            arrived.as_mut().enable();
            let until = match self.poll() {
                Ok(event) => return Ok(event),
                Err(until) => until,
            };
            match until {
                None => arrived.await,
                Some(until) => tokio::select! {
                    () = arrived => {}
                    () = sleep_until(until) => {}
                },
            }
        }
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<(), ConsumeError> {
        let mut state = self.bus.state.lock();
        let member = state.member(&self.group, self.id).ok_or(ConsumeError::Fenced)?;
        match member.holdings.get_mut(partition) {
            Some(holding) if holding.phase == Phase::Assigned => {
                holding.seek = Some(offset);
                Ok(())
            }
            _ => Err(ConsumeError::Fenced),
        }
    }

    async fn commit(&mut self, offsets: &[CommitOffset]) -> Result<(), ConsumeError> {
        self.bus.state.lock().commit(&self.group, self.id, offsets)?;
        self.bus.freed.notify_waiters();
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.set_paused(partitions, true)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.set_paused(partitions, false)
    }

    async fn close(self: Box<Self>) -> Result<(), ConsumeError> {
        Ok(())
    }
}

impl Drop for LocalConsumer {
    fn drop(&mut self) {
        self.bus.state.lock().leave(&self.group, self.id);
        self.bus.arrived.notify_waiters();
        self.bus.freed.notify_waiters();
    }
}
