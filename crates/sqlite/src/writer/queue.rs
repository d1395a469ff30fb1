//! The queue of the writer, and how it becomes batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gamemesh_repository::{
    Append, AppendError, Appended, LogError, Projected, Snapshot, StreamName,
};
use tokio::sync::{mpsc, oneshot};

/// Commands that wait; the next one is refused with [`LogError::Overloaded`].
pub(crate) const QUEUE_COMMANDS_MAX: usize = 16_384;

/// Bytes of the commands that wait; a command that would go beyond them is refused, unless the queue
/// is empty.
const QUEUE_BYTES_MAX: usize = 128 << 20;

/// A batch takes no further command once it has this many commands.
const BATCH_COMMANDS_MAX: usize = 4_096;

/// A batch takes no further command once it has this many events.
const BATCH_EVENTS_MAX: usize = 4_096;

/// A batch takes no further command once it has this many bytes.
const BATCH_BYTES_MAX: usize = 8 << 20;

pub(crate) enum Command {
    Append { append: Append, reply: oneshot::Sender<Result<Appended, AppendError>> },
    Side { side: Box<Side>, reply: oneshot::Sender<Result<(), LogError>> },
}

/// Writes beside the log, which ride in its transactions.
pub(crate) enum Side {
    PutSnapshot(Snapshot),
    ForgetSnapshots(StreamName),
    Project(Projected),
    Reset(String),
}

/// The sending end. Commands are served in the order in which they were pushed.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Queued>,
    bytes: Arc<AtomicUsize>,
}

pub(crate) struct Inbox {
    receiver: mpsc::Receiver<Queued>,
    bytes: Arc<AtomicUsize>,
}

struct Queued {
    command: Command,
    events: usize,
    bytes: usize,
}

pub(crate) fn queue() -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(QUEUE_COMMANDS_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Queue { sender, bytes: bytes.clone() }, Inbox { receiver, bytes })
}

impl Queue {
    pub(crate) fn push(&self, command: Command) -> Result<(), LogError> {
        let (events, bytes) = command.size();
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let pushed = if waiting > 0 && waiting + bytes > QUEUE_BYTES_MAX {
            Err(LogError::Overloaded)
        } else {
            let queued = Queued { command, events, bytes };
            self.sender.try_send(queued).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => LogError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => closed(),
            })
        };
        if pushed.is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        pushed
    }
}

impl Inbox {
    /// Waits for one command and takes those that wait behind it, up to the bounds of a batch.
    /// `None` when the queue is closed and empty.
    pub(crate) async fn next_batch(&mut self) -> Option<Vec<Command>> {
        let mut next = self.receiver.recv().await;
        next.as_ref()?;
        let mut commands = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        while let Some(queued) = next {
            events += queued.events;
            bytes += queued.bytes;
            commands.push(queued.command);
            let full = commands.len() >= BATCH_COMMANDS_MAX
                || events >= BATCH_EVENTS_MAX
                || bytes >= BATCH_BYTES_MAX;
            next = if full { None } else { self.receiver.try_recv().ok() };
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(commands)
    }

    /// Refuses further commands; those that wait are still served.
    pub(crate) fn close(&mut self) {
        self.receiver.close();
    }
}

impl Command {
    /// Events and bytes, as the bounds count them.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Append { append, .. } => (append.events(), append.bytes()),
            Self::Side { side, .. } => match &**side {
                Side::PutSnapshot(snapshot) => (0, snapshot.state.len()),
                Side::Project(projected) => (0, bytes_of(projected)),
                Side::ForgetSnapshots(_) | Side::Reset(_) => (0, 0),
            },
        }
    }
}

fn bytes_of(projected: &Projected) -> usize {
    let aggregates = projected.aggregates.iter().map(|row| row.state.len());
    let players = projected
        .players
        .iter()
        .map(|row| row.inventory.len() + row.statistics.len() + row.achievements.len());
    let matches = projected
        .matches
        .iter()
        .map(|row| row.players.len() + row.events.len() + row.statistics.len());
    aggregates.chain(players).chain(matches).sum()
}

pub(crate) fn closed() -> LogError {
    LogError::Unavailable("the store is closed".to_owned())
}
