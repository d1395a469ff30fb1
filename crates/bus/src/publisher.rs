//! The port.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_domain::{Code, Error};
use tokio::sync::watch;

use crate::Message;

/// A result that is already on its way.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Where facts go.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// A new session. It fails if the last one failed a moment ago: the wait between tries is the
    /// adapter's.
    async fn session(&self) -> Result<Box<dyn Session>, PublishError>;

    /// The largest message that is taken, by [`Message::size_bytes`].
    fn message_bytes_max(&self) -> usize;

    /// Whether anybody reads one of the topics: nothing needs to be published while this is false.
    fn has_subscribers(&self, topics: &[Arc<str>]) -> watch::Receiver<bool>;

    /// Whether what is acknowledged outlives this process, so that a relay goes on where it was. If
    /// not, its sessions ask the bus where to begin: [`Session::resume_after`].
    fn is_durable(&self) -> bool;

    /// Whether the other side can be reached: cheap, for health.
    async fn ping(&self) -> Result<(), PublishError>;
}

/// An ordered way to the topics. It is over with its first refusal.
#[async_trait]
pub trait Session: Send {
    /// Hands a batch over, waiting while the way is full. Batches are published in the order of the
    /// calls, whether what is answered is polled or not; a caller may hand over the next one before.
    async fn publish(&mut self, batch: Vec<Message>) -> Pending<Result<(), Refused>>;

    /// The position after which the readers of a topic need a lane, on a bus that is not durable. It is
    /// `head`, the newest position of the lane, unless a reader asks for more. If one asks later,
    /// [`rewound`](Self::rewound) returns and the session ends with [`PublishError::Rewound`].
    fn resume_after(&mut self, topic: &str, lane: u16, head: u64) -> u64 {
        let _ = (topic, lane);
        head
    }

    /// Returns once a reader needs messages before those that this session has published, which a
    /// durable bus never asks for. Dropping the future loses nothing.
    async fn rewound(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// A batch that was not published completely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after {acknowledged} acknowledged messages: {error}")]
pub struct Refused {
    /// So many of its first messages are published.
    pub acknowledged: usize,
    pub error: PublishError,
}

/// Why something could not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The first message that is not acknowledged, or one on its way together with it, is too large
    /// for the other side.
    #[error("the message is too large")]
    TooLarge,
    /// Trying again without a change to the set-up will not help.
    #[error("refused by the broker: {0}")]
    Denied(String),
    #[error("the broker cannot be reached: {0}")]
    Unavailable(String),
    /// A reader needs earlier messages of the lane: another session begins where
    /// [`Session::resume_after`] says.
    #[error("a reader needs earlier messages")]
    Rewound,
    /// The session ended with an earlier refusal.
    #[error("the session is over")]
    Over,
}

impl From<PublishError> for Error {
    /// The cause goes to the log, not to the caller.
    fn from(error: PublishError) -> Self {
        Self::new(Code::DependencyUnavailable, "events cannot be published").with_context(&error)
    }
}
