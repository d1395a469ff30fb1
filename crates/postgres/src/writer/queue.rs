//! The queue of the appends, bounded over all lanes together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gamemesh_repository::{Append, AppendError, Appended, LogError};
use tokio::sync::{mpsc, oneshot};

/// Appends that wait; the next one is refused with [`LogError::Overloaded`].
pub(crate) const QUEUE_COMMANDS_MAX: usize = 16_384;

/// Bytes of the appends that wait; an append that would go beyond them is refused, unless the queue
/// is empty.
const QUEUE_BYTES_MAX: usize = 128 << 20;

/// An append, who waits for it, and what it counts for.
pub(crate) struct Queued {
    pub(super) append: Append,
    pub(super) reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// The lanes of its streams, conditions included, and those that it must wait for.
    pub(super) lanes: Lanes,
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// Ascending, each once. Most appends have one, which needs no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lanes {
    One(u16),
    Many(Vec<u16>),
}

/// The sending end. Appends of one lane are served in the order in which they were pushed.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: mpsc::UnboundedSender<Queued>,
    waiting: Arc<Waiting>,
    lanes: u16,
}

#[derive(Default)]
struct Waiting {
    commands: AtomicUsize,
    bytes: AtomicUsize,
}

pub(crate) fn queue(lanes: u16) -> (Queue, mpsc::UnboundedReceiver<Queued>) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (Queue { sender, waiting: Arc::new(Waiting::default()), lanes }, inbox)
}

impl Queue {
    pub(crate) fn push(
        &self,
        append: Append,
        reply: oneshot::Sender<Result<Appended, AppendError>>,
    ) -> Result<(), LogError> {
        let queued = Queued::new(append, reply, self.lanes);
        let bytes = queued.bytes;
        let Waiting { commands: commands_waiting, bytes: bytes_waiting } = &*self.waiting;
        let commands = commands_waiting.fetch_add(1, Ordering::Relaxed);
        let before = bytes_waiting.fetch_add(bytes, Ordering::Relaxed);
        let pushed =
            if commands >= QUEUE_COMMANDS_MAX || (before > 0 && before + bytes > QUEUE_BYTES_MAX) {
                Err(LogError::Overloaded)
            } else {
                self.sender
                    .send(queued)
                    .map_err(|_| LogError::Unavailable("the store is closed".to_owned()))
            };
        if pushed.is_err() {
            self.leave(1, bytes);
        }
        pushed
    }

    /// These wait no longer.
    pub(super) fn taken(&self, queued: &[Queued]) {
        self.leave(queued.len(), queued.iter().map(|queued| queued.bytes).sum());
    }

    fn leave(&self, commands: usize, bytes: usize) {
        self.waiting.commands.fetch_sub(commands, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Queued {
    pub(super) fn new(
        append: Append,
        reply: oneshot::Sender<Result<Appended, AppendError>>,
        lanes: u16,
    ) -> Self {
        let named = append.streams.iter().map(|part| part.stream.lane(lanes).0).collect();
        let lanes = Lanes::of(named);
        let (events, bytes) = (append.events(), append.bytes());
        Self { append, reply, lanes, events, bytes }
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.append.idempotency.as_ref().map(|idempotency| idempotency.key.as_str())
    }
}

impl Lanes {
    pub(super) fn of(mut lanes: Vec<u16>) -> Self {
        lanes.sort_unstable();
        lanes.dedup();
        match lanes[..] {
            [lane] => Self::One(lane),
            _ => Self::Many(lanes),
        }
    }

    pub(super) fn as_slice(&self) -> &[u16] {
        match self {
            Self::One(lane) => std::slice::from_ref(lane),
            Self::Many(lanes) => lanes,
        }
    }
}
