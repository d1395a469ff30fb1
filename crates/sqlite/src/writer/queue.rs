//! The queue of the writer, and how it becomes batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gamemesh_repository::{
    Append, AppendError, Appended, Cursor, Epoch, LogError, Position, Projected, Snapshot,
    StreamName, TableSet,
};
use tokio::sync::{mpsc, oneshot};

use crate::tables::memory;

/// Bytes of the commands that wait; a command that would go beyond them is refused, unless the queue
/// is empty.
const QUEUE_BYTES_MAX: usize = 128 << 20;

/// What an event may cost the writer before its batch waits for company: about as much as it costs
/// its caller and the rest of the server. Where writing costs less, they are the limit, and a batch that
/// waits for all of them leaves the writer idle, and then them.
const CHEAP_EVENT: Duration = Duration::from_micros(25);

/// A batch takes no further command once it has this many commands.
const BATCH_COMMANDS_MAX: usize = 4_096;

/// A batch takes no further command once it has this many events.
const BATCH_EVENTS_MAX: usize = 4_096;

/// A batch takes no further command once it has this many bytes.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What appends of one command came to, in their order.
pub(crate) type Appendeds = Vec<Result<Appended, AppendError>>;

pub(crate) enum Command {
    /// Each by itself, in order, and told together.
    Appends {
        appends: Vec<Append>,
        reply: oneshot::Sender<Appendeds>,
    },
    Auxiliary {
        write: Box<AuxiliaryWrite>,
        reply: oneshot::Sender<Result<(), LogError>>,
    },
    /// After the batch, writes the file anew without what was deleted from it.
    Vacuum {
        reply: oneshot::Sender<Result<(), LogError>>,
    },
}

/// Writes beside the log, which ride in its transactions.
pub(crate) enum AuxiliaryWrite {
    PutSnapshot(Snapshot),
    ForgetSnapshots(StreamName),
    Advance(Position, Cursor),
    Write(Projected),
    Reset(String),
    Clear(String, Vec<TableSet>),
    /// The lane has another owner. Appends that come after it are compared with this epoch.
    RaiseOwnerEpoch(Epoch),
    Memory(memory::Work),
    Stats(crate::tables::stats::Work),
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
    close: oneshot::Receiver<()>,
    /// Events of the last batch.
    last_events: usize,
    /// As many commands are waited for, if their callers come soon.
    expected_commands: usize,
}

#[derive(Default)]
struct Batch {
    commands: Vec<Command>,
    events: usize,
    bytes: usize,
    yielded: bool,
}

struct Queued {
    command: Command,
    events: usize,
    bytes: usize,
}

/// The two ends of a queue of `commands_max` commands; one more is refused with
/// [`LogError::Overloaded`]. The inbox closes when it is told, or when every queue is gone.
pub(crate) fn queue(commands_max: usize, close: oneshot::Receiver<()>) -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(commands_max.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let inbox =
        Inbox { receiver, bytes: bytes.clone(), close, last_events: 0, expected_commands: 0 };
    (Queue { sender, bytes }, inbox)
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
    ///
    /// The callers of the last batch are just now being told and may be about to come again. While
    /// there are fewer than last time and each yield to them brings more, the batch waits: never for
    /// a clock, and not at all for a caller who is alone, nor where writing is cheap.
    pub(crate) async fn next_batch(&mut self) -> Option<Vec<Command>> {
        let mut batch = Batch::default();
        batch.take(self.first().await?);
        loop {
            let before = batch.commands.len();
            while !batch.is_full()
                && let Ok(queued) = self.receiver.try_recv()
            {
                batch.take(queued);
            }
            let grew = !batch.yielded || batch.commands.len() > before;
            if !grew || batch.is_full() || batch.commands.len() >= self.expected_commands {
                break;
            }
            batch.yielded = true;
            tokio::task::yield_now().await;
        }
        self.last_events = batch.events;
        self.expected_commands = batch.commands.len();
        self.bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
        Some(batch.commands)
    }

    /// The last batch is written, which took so long.
    pub(crate) fn written(&mut self, took: Duration) {
        if took < CHEAP_EVENT * self.last_events as u32 {
            self.expected_commands = 0;
        }
    }

    /// The next command. Once the store is told to close, no more are let in, and those that wait
    /// are still served.
    async fn first(&mut self) -> Option<Queued> {
        if !self.close.is_terminated() {
            tokio::select! {
                biased;
                told = &mut self.close => {
                    if told.is_ok() {
                        self.receiver.close();
                    }
                }
                first = self.receiver.recv() => return first,
            }
        }
        self.receiver.recv().await
    }
}

impl Batch {
    fn take(&mut self, queued: Queued) {
        self.events += queued.events;
        self.bytes += queued.bytes;
        self.commands.push(queued.command);
    }

    fn is_full(&self) -> bool {
        self.commands.len() >= BATCH_COMMANDS_MAX
            || self.events >= BATCH_EVENTS_MAX
            || self.bytes >= BATCH_BYTES_MAX
    }
}

impl Command {
    /// Events and bytes, as the bounds count them.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Appends { appends, .. } => {
                let size = |append: &Append| (append.events(), append.bytes());
                appends.iter().map(size).fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
            }
            Self::Vacuum { .. } => (0, 0),
            Self::Auxiliary { write, .. } => match &**write {
                AuxiliaryWrite::PutSnapshot(snapshot) => (0, snapshot.state.len()),
                AuxiliaryWrite::Write(projected) => (0, projected.bytes()),
                AuxiliaryWrite::Memory(work) => (0, work.size()),
                AuxiliaryWrite::Stats(work) => (0, work.size()),
                AuxiliaryWrite::ForgetSnapshots(_)
                | AuxiliaryWrite::Advance(..)
                | AuxiliaryWrite::Reset(_)
                | AuxiliaryWrite::Clear(..)
                | AuxiliaryWrite::RaiseOwnerEpoch(_) => (0, 0),
            },
        }
    }
}

pub(crate) fn closed() -> LogError {
    LogError::Unavailable("the store is closed".to_owned())
}
