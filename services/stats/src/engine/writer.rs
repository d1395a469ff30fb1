//! The writer of a lane: what producers have sent goes to the log in blocks, while the block before is on
//! its way to the disk.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gamemesh_domain::Error;
use gamemesh_ownership::{LaneOwnership, Licence};
use gamemesh_repository::{
    Append, AppendError, Expected, Lane, LogError, NewEvent, StreamAppend, StreamName,
    seeded_defect,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Engine;
use crate::block::{Block, Content, Fate, KIND, Waiter};

/// A block takes no further submission once it has this many events.
const BLOCK_EVENTS_MAX: usize = 16_384;

/// A block takes no further submission once it has about this many bytes.
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Blocks of a lane on their way to the disk.
const IN_FLIGHT_MAX: usize = 3;

/// What one producer has for one lane.
pub(crate) struct Submission {
    pub(crate) content: Content,
    pub(crate) bytes: usize,
    pub(crate) arrived: Instant,
    /// Room in the budget, given back when it is counted.
    pub(crate) permit: Option<Arc<OwnedSemaphorePermit>>,
    pub(crate) reply: oneshot::Sender<Written>,
}

/// What became of a submission.
pub(crate) enum Written {
    /// It is durable, at this position; the fates follow.
    At(u64, oneshot::Receiver<Vec<Fate>>),
    /// Nothing of it is written, and the lane is another instance's, or nobody's. Here it is.
    NotOwned(Content),
    Failed(Error),
}

/// Where a submission is in a block: so many events, runs and offsets.
struct Share {
    counts: [usize; 3],
    reply: oneshot::Sender<Written>,
    fates: oneshot::Receiver<Vec<Fate>>,
}

/// Runs until the queue is closed, or until `stop` with an empty queue.
pub(super) async fn run(
    engine: Arc<Engine>,
    lane: Lane,
    mut inbox: mpsc::Receiver<Submission>,
    stop: CancellationToken,
) {
    let stream = stream_in(lane, engine.log.lanes());
    let mut in_flight = FuturesUnordered::new();
    let mut waiting = None;
    loop {
        if in_flight.len() < IN_FLIGHT_MAX
            && let Some(first) = waiting.take().or_else(|| inbox.try_recv().ok())
        {
            let mut block = vec![first];
            waiting = gather(&mut block, &mut inbox);
            in_flight.push(write(engine.clone(), lane, stream.clone(), block));
            continue;
        }
        tokio::select! {
            Some(()) = in_flight.next(), if !in_flight.is_empty() => {}
            submission = inbox.recv(), if in_flight.len() < IN_FLIGHT_MAX => match submission {
                Some(submission) => waiting = Some(submission),
                None => break,
            },
            () = stop.cancelled(), if in_flight.is_empty() => break,
        }
    }
    while in_flight.next().await.is_some() {}
}

/// Takes what waits, up to the bounds of a block; answers what did not fit.
fn gather(
    block: &mut Vec<Submission>,
    inbox: &mut mpsc::Receiver<Submission>,
) -> Option<Submission> {
    let (mut events, mut bytes) = (block[0].content.events.len(), block[0].bytes);
    while let Ok(next) = inbox.try_recv() {
        events += next.content.events.len();
        bytes += next.bytes;
        if events > BLOCK_EVENTS_MAX || bytes > BLOCK_BYTES_MAX {
            return Some(next);
        }
        block.push(next);
    }
    None
}

/// Writes a block and hands it on to be counted.
async fn write(engine: Arc<Engine>, lane: Lane, stream: StreamName, submissions: Vec<Submission>) {
    let (mut content, mut waiters, mut shares) = (Content::default(), Vec::new(), Vec::new());
    for Submission { content: part, arrived, permit: _room, reply, .. } in submissions {
        let first = content.events.len();
        let counts = [part.events.len(), part.runs.len(), part.offsets.len()];
        content.append(part);
        let (tell, fates) = oneshot::channel();
        waiters.push(Waiter { events: first..content.events.len(), arrived, _room, reply: tell });
        shares.push(Share { counts, reply, fates });
    }
    // Held until the append is answered: the lane is not handed over before.
    let licence = match engine.owners.as_ref().map(|owners| owners.of(lane)) {
        None => None,
        Some(LaneOwnership::Here(licence)) => Some(licence),
        Some(LaneOwnership::There(_) | LaneOwnership::Nobody) => return give_back(content, shares),
    };
    let fence = licence.as_ref().and_then(Licence::fence);
    if licence.is_some() && fence.is_none() {
        return give_back(content, shares);
    }
    let event = NewEvent {
        id: Uuid::now_v7(),
        kind: KIND.into(),
        data: content.encode().into(),
        meta: bytes::Bytes::new(),
    };
    let append = Append {
        streams: vec![StreamAppend { stream, expected: Expected::Any, events: vec![event] }],
        idempotency: None,
        fence: fence.filter(|_| !seeded_defect("stats.no_fence")),
        now_us: engine.clock.now_micros(),
    };
    let queue = &engine.lanes[usize::from(lane.0)];
    queue.begin();
    let appended = engine.log.append(append).await;
    drop(licence);
    match appended {
        Ok(appended) => {
            let written = &appended.streams[0];
            let position = written.last_position;
            let block = Block::new(written.lane, position, appended.time_us, content, waiters);
            for share in shares {
                let _ = share.reply.send(Written::At(position, share.fates));
            }
            queue.end(Some(block));
        }
        Err(AppendError::Log(LogError::Fenced)) => {
            queue.end(None);
            tracing::info!(lane = lane.0, "a lane has gone to another instance");
            give_back(content, shares);
        }
        Err(error) => {
            queue.end(None);
            let error = Error::from(error);
            for share in shares {
                let _ = share.reply.send(Written::Failed(error.clone()));
            }
        }
    }
}

/// Everybody gets back what he has sent.
fn give_back(mut content: Content, shares: Vec<Share>) {
    for Share { counts: [events, runs, offsets], reply, .. } in shares {
        let part = Content {
            events: content.events.drain(..events).collect(),
            runs: content.runs.drain(..runs).collect(),
            offsets: content.offsets.drain(..offsets).collect(),
        };
        let _ = reply.send(Written::NotOwned(part));
    }
}

/// The stream of a lane's blocks: the first of its names that hashes there.
fn stream_in(lane: Lane, lanes: u16) -> StreamName {
    (0_u32..)
        .map(|number| StreamName::new("stats", &format!("blocks-{number}")))
        .find(|stream| stream.lane(lanes) == lane)
        .unwrap_or_else(|| StreamName::new("stats", "blocks"))
}
