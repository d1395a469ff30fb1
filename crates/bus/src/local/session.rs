//! The publishing side of the bus of one process.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use async_trait::async_trait;

use super::{Inner, MESSAGE_BYTES_MAX, now_ms};
use crate::{Message, Pending, PublishError, Refused, Session};

pub(super) struct LocalSession {
    bus: Arc<Inner>,
    /// In which epoch of a partition this session has begun.
    begun: HashMap<(Arc<str>, u16), u64>,
    over: bool,
}

impl LocalSession {
    pub(super) fn new(bus: Arc<Inner>) -> Self {
        Self { bus, begun: HashMap::new(), over: false }
    }

    fn is_rewound(&self) -> bool {
        let mut state = self.bus.state.lock();
        self.begun.iter().any(|((topic, lane), begun)| {
            state.partition(topic, *lane).is_some_and(|partition| partition.epoch() != *begun)
        })
    }

    /// Takes what there is room for. An error is of the first message that is left.
    fn push(&mut self, messages: &mut Peekable<IntoIter<Message>>) -> Result<usize, PublishError> {
        let mut state = self.bus.state.lock();
        let timestamp_ms = now_ms();
        let mut taken = 0;
        // Most batches are of one lane: what it takes to find its partition is paid once.
        while let Some(first) = messages.peek() {
            let (topic, lane) = (first.topic.clone(), first.lane);
            let mut partition = None;
            if state.is_read(&topic) {
                let (_, epoch) = state.begin(&topic, lane, first.position);
                let begun = *self.begun.entry((topic.clone(), lane)).or_insert(epoch);
                if epoch != begun {
                    return Err(PublishError::Rewound);
                }
                partition = state.partition(&topic, lane);
            }
            while let Some(message) = messages.peek()
                && message.lane == lane
                && Arc::ptr_eq(&message.topic, &topic)
            {
                let size_bytes = message.size_bytes();
                if size_bytes > MESSAGE_BYTES_MAX {
                    return Err(PublishError::TooLarge);
                }
                if partition.as_ref().is_some_and(|partition| partition.is_full(size_bytes)) {
                    return Ok(taken);
                }
                let Some(message) = messages.next() else { break };
                // What nobody reads is not kept.
                if let Some(partition) = &mut partition {
                    partition.push(message, timestamp_ms);
                }
                taken += 1;
            }
        }
        Ok(taken)
    }
}

#[async_trait]
impl Session for LocalSession {
    async fn publish(&mut self, batch: Vec<Message>) -> Pending<Result<(), Refused>> {
        let refused = |acknowledged, error| -> Pending<_> {
            Box::pin(async move { Err(Refused { acknowledged, error }) })
        };
        if self.over {
            return refused(0, PublishError::Over);
        }
        let bus = self.bus.clone();
        let count = batch.len();
        let mut messages = batch.into_iter().peekable();
        while messages.len() > 0 {
            let mut freed = std::pin::pin!(bus.freed.notified());
            // What is freed between the look and the wait wakes it.
            freed.as_mut().enable();
            let pushed = self.push(&mut messages);
            if !matches!(pushed, Ok(0)) {
                bus.arrived.notify_waiters();
            }
            match pushed {
                Ok(_) if messages.len() == 0 => break,
                Ok(_) => freed.await,
                Err(error) => {
                    self.over = true;
                    return refused(count - messages.len(), error);
                }
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn resume_after(&mut self, topic: &str, lane: u16, head: u64) -> u64 {
        let (next, epoch) = {
            let mut state = self.bus.state.lock();
            if let Some(partition) = state.partition(topic, lane) {
                partition.set_replayed();
            }
            state.begin(topic, lane, head + 1)
        };
        self.bus.arrived.notify_waiters();
        self.begun.insert((topic.into(), lane), epoch);
        next.saturating_sub(1)
    }

    async fn rewound(&mut self) {
        let bus = self.bus.clone();
        loop {
            let mut freed = std::pin::pin!(bus.freed.notified());
            freed.as_mut().enable();
            if self.is_rewound() {
                return;
            }
            freed.await;
        }
    }
}
