//! The writer of a lane: what producers have sent goes to the log in blocks, while the block before is on
//! its way to the disk.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gamemesh_domain::Error;
use gamemesh_domain::stats::Event;
use gamemesh_repository::{Append, Expected, Lane, NewEvent, StreamAppend, StreamName};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Engine;
use crate::block::{Block, Content, Fate, KIND, Offset, Run, Waiter};

/// A block takes no further submission once it has this many events.
const BLOCK_EVENTS_MAX: usize = 16_384;

/// A block takes no further submission once it has about this many bytes.
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Blocks of a lane on their way to the disk.
const IN_FLIGHT_MAX: usize = 3;

/// Events of one producer for one lane.
pub(crate) struct Submission {
    pub(crate) events: Vec<Event>,
    pub(crate) runs: Vec<Run>,
    pub(crate) offsets: Vec<Offset>,
    pub(crate) bytes: usize,
    pub(crate) arrived: Instant,
    /// Room in the budget, given back when the block is written.
    pub(crate) permit: Option<Arc<OwnedSemaphorePermit>>,
    pub(crate) reply: oneshot::Sender<Result<oneshot::Receiver<Vec<Fate>>, Error>>,
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
            in_flight.push(write(engine.clone(), stream.clone(), block));
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
    let (mut events, mut bytes) = (block[0].events.len(), block[0].bytes);
    while let Ok(next) = inbox.try_recv() {
        events += next.events.len();
        bytes += next.bytes;
        if events > BLOCK_EVENTS_MAX || bytes > BLOCK_BYTES_MAX {
            return Some(next);
        }
        block.push(next);
    }
    None
}

/// Writes a block and hands it on to be counted.
async fn write(engine: Arc<Engine>, stream: StreamName, submissions: Vec<Submission>) {
    let (mut content, mut waiters, mut replies) = (Content::default(), Vec::new(), Vec::new());
    let mut permits = Vec::new();
    for submission in submissions {
        let first = content.events.len();
        content.events.extend(submission.events);
        content.runs.extend(submission.runs);
        content.offsets.extend(submission.offsets);
        let (reply, fates) = oneshot::channel();
        let events = first..content.events.len();
        waiters.push(Waiter { events, arrived: submission.arrived, reply });
        replies.push((submission.reply, fates));
        permits.extend(submission.permit);
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
        fence: None,
        now_us: engine.clock.now_micros(),
    };
    let lane = &engine.lanes[usize::from(append.streams[0].stream.lane(engine.log.lanes()).0)];
    lane.begin();
    let appended = engine.log.append(append).await;
    drop(permits);
    match appended {
        Ok(appended) => {
            let written = &appended.streams[0];
            let block =
                Block::new(written.lane, written.last_position, appended.time_us, content, waiters);
            for (reply, fates) in replies {
                let _ = reply.send(Ok(fates));
            }
            lane.end(Some(block));
        }
        Err(error) => {
            lane.end(None);
            let error = Error::from(error);
            for (reply, _) in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

/// The stream of a lane's blocks: the first of its names that hashes there.
fn stream_in(lane: Lane, lanes: u16) -> StreamName {
    (0_u32..)
        .map(|number| StreamName::new("stats", &format!("blocks-{number}")))
        .find(|stream| stream.lane(lanes) == lane)
        .unwrap_or_else(|| StreamName::new("stats", "blocks"))
}
