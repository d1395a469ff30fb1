//! The queue of the appends, bounded over all lanes together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gamemesh_repository::{Append, LogError, StreamAppend};
use tokio::sync::mpsc;

use super::replies::Reply;

/// Appends that wait; the next one is refused with [`LogError::Overloaded`].
pub(crate) const QUEUE_COMMANDS_MAX: usize = 16_384;

/// Bytes of the appends that wait; an append that would go beyond them is refused, unless the queue
/// is empty.
const QUEUE_BYTES_MAX: usize = 128 << 20;

/// It goes from hand to hand as a pointer: it is large.
pub(crate) type Queued = Box<Command>;

/// An append, who waits for it, and what it counts for.
pub(crate) struct Command {
    pub(super) append: Append,
    pub(super) reply: Reply,
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
    sender: mpsc::UnboundedSender<Vec<Queued>>,
    waiting: Arc<Waiting>,
    lanes: u16,
}

#[derive(Default)]
struct Waiting {
    commands: AtomicUsize,
    bytes: AtomicUsize,
}

/// The receiving end: what was pushed together comes together.
pub(crate) type Inbox = mpsc::UnboundedReceiver<Vec<Queued>>;

pub(crate) fn queue(lanes: u16) -> (Queue, Inbox) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (Queue { sender, waiting: Arc::new(Waiting::default()), lanes }, inbox)
}

impl Queue {
    /// Appends in their order. Those for which there is no room are answered at once.
    pub(crate) fn push_each(&self, appends: impl Iterator<Item = (Append, Reply)>) {
        let room =
            |(append, reply)| self.admitted(Box::new(Command::new(append, reply, self.lanes)));
        let queued: Vec<_> = appends.filter_map(room).collect();
        if queued.is_empty() {
            return;
        }
        if let Err(mpsc::error::SendError(queued)) = self.sender.send(queued) {
            self.taken(&queued);
            for queued in queued {
                let closed = LogError::Unavailable("the store is closed".to_owned());
                queued.reply.send(Err(closed.into()));
            }
        }
    }

    fn admitted(&self, queued: Queued) -> Option<Queued> {
        let bytes = queued.bytes;
        let Waiting { commands: commands_waiting, bytes: bytes_waiting } = &*self.waiting;
        let commands = commands_waiting.fetch_add(1, Ordering::Relaxed);
        let before = bytes_waiting.fetch_add(bytes, Ordering::Relaxed);
        if commands < QUEUE_COMMANDS_MAX && (before == 0 || before + bytes <= QUEUE_BYTES_MAX) {
            return Some(queued);
        }
        self.leave(1, bytes);
        queued.reply.send(Err(LogError::Overloaded.into()));
        None
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

impl Command {
    pub(super) fn new(append: Append, reply: Reply, lanes: u16) -> Self {
        let lane = |part: &StreamAppend| part.stream.lane(lanes).0;
        let lanes = match &append.streams[..] {
            [only] => Lanes::One(lane(only)),
            several => Lanes::of(several.iter().map(lane).collect()),
        };
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
