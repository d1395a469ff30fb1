//! The bus of one process, and the reference that adapters are compared with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::{Message, Pending, PublishError, Publisher, Refused, Session};

/// Messages that wait for one subscriber. When it is full the publisher waits: nothing is dropped,
/// and the slowest subscriber sets the pace of all.
pub const MAILBOX_MESSAGES_MAX: usize = 1_024;

/// As large as anything that the log takes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Subscribers of this process. Clones are the same bus.
#[derive(Debug, Clone)]
pub struct LocalBus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    subscribers: Mutex<Vec<Subscriber>>,
    next: AtomicU64,
    wanted: watch::Sender<bool>,
}

#[derive(Debug, Clone)]
struct Subscriber {
    id: u64,
    topic: Arc<str>,
    mailbox: mpsc::Sender<Arc<Message>>,
}

/// Messages of one topic, from the moment of subscribing on, in order.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    bus: Arc<Inner>,
    mailbox: mpsc::Receiver<Arc<Message>>,
}

impl LocalBus {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            subscribers: Mutex::default(),
            next: AtomicU64::new(0),
            wanted: watch::Sender::new(false),
        }))
    }

    pub fn subscribe(&self, topic: &str) -> Subscription {
        let (sender, mailbox) = mpsc::channel(MAILBOX_MESSAGES_MAX);
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut subscribers = self.0.subscribers.lock();
        subscribers.push(Subscriber { id, topic: topic.into(), mailbox: sender });
        self.0.wanted.send_replace(true);
        Subscription { id, bus: self.0.clone(), mailbox }
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscription {
    /// The next message.
    pub async fn next(&mut self) -> Option<Arc<Message>> {
        self.mailbox.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscribers = self.bus.subscribers.lock();
        subscribers.retain(|subscriber| subscriber.id != self.id);
        self.bus.wanted.send_replace(!subscribers.is_empty());
    }
}

#[async_trait]
impl Publisher for LocalBus {
    async fn session(&self) -> Result<Box<dyn Session>, PublishError> {
        Ok(Box::new(LocalSession { bus: self.0.clone(), over: false }))
    }

    fn message_bytes_max(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn wanted(&self) -> watch::Receiver<bool> {
        self.0.wanted.subscribe()
    }

    fn keeps(&self) -> bool {
        false
    }

    async fn ping(&self) -> Result<(), PublishError> {
        Ok(())
    }
}

struct LocalSession {
    bus: Arc<Inner>,
    over: bool,
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
        for (acknowledged, message) in batch.into_iter().enumerate() {
            if message.size_bytes() > MESSAGE_BYTES_MAX {
                self.over = true;
                return refused(acknowledged, PublishError::TooLarge);
            }
            let message = Arc::new(message);
            let subscribers = self.bus.subscribers.lock().clone();
            for subscriber in subscribers.iter().filter(|s| s.topic == message.topic) {
                // Whoever has gone away meanwhile wants nothing.
                let _ = subscriber.mailbox.send(message.clone()).await;
            }
        }
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn message(position: u64) -> Message {
        Message {
            topic: "t".into(),
            key: Bytes::from_static(b"k"),
            payload: Bytes::new(),
            headers: vec![],
            lane: 0,
            position,
        }
    }

    #[tokio::test]
    async fn it_is_wanted_while_somebody_listens() {
        let bus = LocalBus::new();
        let wanted = bus.wanted();
        assert!(!*wanted.borrow());
        let (first, second) = (bus.subscribe("t"), bus.subscribe("u"));
        assert!(*wanted.borrow());
        drop(first);
        assert!(*wanted.borrow());
        drop(second);
        assert!(!*wanted.borrow());
    }

    #[tokio::test]
    async fn a_full_mailbox_holds_the_publisher_and_loses_nothing() {
        let bus = LocalBus::new();
        let mut slow = bus.subscribe("t");
        let count = MAILBOX_MESSAGES_MAX as u64 + 10;
        let mut session = bus.session().await.unwrap();
        let publish = async {
            session.publish((1..=count).map(message).collect()).await.await.unwrap();
        };
        let mut publish = std::pin::pin!(publish);
        let held = tokio::time::timeout(Duration::from_millis(50), publish.as_mut()).await;
        assert!(held.is_err());
        let read = async {
            for position in 1..=count {
                assert_eq!(slow.next().await.unwrap().position, position);
            }
        };
        tokio::join!(publish, read);
    }
}
