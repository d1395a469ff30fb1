//! The bus of one process, and the reference that adapters are compared with.

mod consumer;
mod group;
mod partition;
mod session;
mod state;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::consumer::LocalConsumer;
use self::session::LocalSession;
use self::state::State;
use crate::{ConsumeError, Consumer, ConsumerOptions, Consumers, PublishError, Publisher, Session};

/// Messages of one partition that are kept until every group that reads it has committed them. When it
/// is full the publisher waits: nothing is dropped, and the slowest group sets the pace of all.
pub const PARTITION_MESSAGES_MAX: usize = 8_192;

/// The same in bytes. One message may be larger.
pub const PARTITION_BYTES_MAX: usize = 16 << 20;

/// As large as anything that the log takes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Topics and groups of this process. Clones are the same bus.
#[derive(Debug, Clone)]
pub struct LocalBus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Something may be there for a consumer.
    arrived: Notify,
    /// A publisher that waits may go on, or has to begin anew.
    freed: Notify,
}

impl LocalBus {
    pub fn new() -> Self {
        // A store that fences by generation outlives the process: the clock makes the next one's larger.
        let generation = (now_ms() as u64) << 20;
        Self(Arc::new(Inner {
            state: Mutex::new(State::new(generation)),
            arrived: Notify::new(),
            freed: Notify::new(),
        }))
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new()
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

#[async_trait]
impl Publisher for LocalBus {
    async fn session(&self) -> Result<Box<dyn Session>, PublishError> {
        Ok(Box::new(LocalSession::new(self.0.clone())))
    }

    fn message_bytes_max(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn has_subscribers(&self, topics: &[Arc<str>]) -> watch::Receiver<bool> {
        self.0.state.lock().watch_readers(topics)
    }

    fn is_durable(&self) -> bool {
        false
    }

    async fn ping(&self) -> Result<(), PublishError> {
        Ok(())
    }
}

#[async_trait]
impl Consumers for LocalBus {
    async fn consumer(
        &self,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Result<Box<dyn Consumer>, ConsumeError> {
        Ok(Box::new(LocalConsumer::join(self.0.clone(), group, topics, options)))
    }
}
