use std::sync::Arc;

use futures::stream::FuturesOrdered;
use futures::{Stream, StreamExt as _};
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use prost::Message as _;
use tonic::Status;

use super::ingest_batch::Batch;
use crate::REQUEST_BYTES_MAX;
use crate::convert::results;
use crate::engine::Engine;
use crate::engine::ingest::Outcome;
use crate::metrics::Source;

/// Problems that a summary tells of.
const PROBLEMS_MAX: usize = 1_000;

/// Requests of a stream that are on their way to the log.
const IN_FLIGHT_MAX: usize = 16;

/// Room that is taken before a request is read, until its size is known.
const UNREAD_BYTES: usize = 64 << 10;

pub(super) type Done = Result<(Vec<String>, Vec<Outcome>)>;

pub(super) async fn handle(
    engine: &Arc<Engine>,
    mut requests: impl Stream<Item = Result<pb::IngestEventsRequest, Status>> + Unpin,
) -> Result<pb::IngestEventsResponse> {
    let mut summary = Summary::default();
    let mut in_flight = FuturesOrdered::new();
    loop {
        if in_flight.len() >= IN_FLIGHT_MAX
            && let Some(done) = in_flight.next().await
        {
            summary.add(done)?;
        }
        // Room before reading: without any, the caller waits, and nothing piles up here.
        let room = engine.wait_for_room(UNREAD_BYTES).await?;
        let Some(request) = requests.next().await else { break };
        let request = request.map_err(|status| broken_off(&status))?;
        let bytes = request.encoded_len();
        let room = if bytes > UNREAD_BYTES {
            drop(room);
            engine.wait_for_room(bytes.min(REQUEST_BYTES_MAX)).await?
        } else {
            room
        };
        summary.origin = (request.producer_id.clone(), request.epoch);
        let pb::IngestEventsRequest { events, producer_id, epoch, first_sequence } = request;
        let Batch { origin, items, ids } = Batch::of(events, producer_id, epoch, first_sequence)?;
        let engine = engine.clone();
        let sent = async move {
            let done = engine.ingest(Source::Grpc, origin, items, bytes, Some(room)).await;
            done.map(|outcomes| (ids, outcomes))
        };
        // A task of its own, so that it goes on while the next request is waited for.
        in_flight.push_back(flatten(tokio::spawn(sent)));
    }
    while let Some(done) = in_flight.next().await {
        summary.add(done)?;
    }
    let (producer, epoch) = summary.origin;
    Ok(pb::IngestEventsResponse {
        tally: Some(summary.tally),
        problems: summary.problems,
        durable_sequence: engine.producers.durable(&producer, epoch),
    })
}

pub(super) async fn flatten(task: tokio::task::JoinHandle<Done>) -> Done {
    task.await.map_err(Error::internal)?
}

pub(super) fn broken_off(status: &Status) -> Error {
    Error::new(Code::Cancelled, "the stream broke off; go on at the resume point")
        .with_context(status.message())
}

#[derive(Default)]
struct Summary {
    tally: pb::EventTally,
    problems: Vec<pb::EventResult>,
    events: u64,
    origin: (String, u32),
}

impl Summary {
    fn add(&mut self, done: Done) -> Result<()> {
        let (ids, outcomes) = done?;
        results::tally(&mut self.tally, &outcomes);
        for (id, outcome) in ids.iter().zip(&outcomes) {
            if results::is_problem(outcome) && self.problems.len() < PROBLEMS_MAX {
                self.problems.push(results::result(self.events, id, outcome));
            }
            self.events += 1;
        }
        Ok(())
    }
}
