use std::sync::Arc;

use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, Stream, StreamExt as _};
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::stack;
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::ingest_batch::Batch;
use super::ingest_events::{Done, broken_off, flatten};
use crate::convert::results;
use crate::engine::Engine;
use crate::engine::ingest::{Outcome, Room};
use crate::metrics::Source;

/// Requests of a channel that are on their way to the log: what a producer may send beyond the last
/// acknowledgement.
const CREDITS: usize = 32;

/// Room that is taken before a request is read, until its size is known.
const UNREAD_BYTES: usize = 64 << 10;

/// Problems of one acknowledgement.
const PROBLEMS_MAX: usize = 1_000;

pub(super) fn handle(
    engine: Arc<Engine>,
    requests: Streaming<pb::IngestChannelRequest>,
    draining: CancellationToken,
) -> impl Stream<Item = Result<pb::IngestChannelResponse>> + Send {
    async_stream::try_stream! {
        let mut channel = Channel { credits: CREDITS as u32, ..Channel::default() };
        let mut requests = std::pin::pin!(requests);
        let mut in_flight = FuturesOrdered::new();
        let mut is_open = true;
        yield channel.acknowledgement(&engine);
        while is_open || !in_flight.is_empty() {
            let has_room = is_open && in_flight.len() < CREDITS;
            let step = tokio::select! {
                biased;
                Some(done) = in_flight.next(), if !in_flight.is_empty() => Step::Done(done),
                read = next(&engine, &mut requests), if has_room => Step::Read(read),
                () = draining.cancelled(), if is_open => Step::Drain,
            };
            match step {
                Step::Done(done) => {
                    channel.add(done?);
                    // Those that are done as well are told together.
                    while let Some(Some(done)) = in_flight.next().now_or_never() {
                        channel.add(done?);
                    }
                    yield channel.acknowledgement(&engine);
                }
                Step::Read(read) => match read? {
                    Some((room, request)) => {
                        in_flight.push_back(flatten(channel.send(&engine, room, request)?));
                    }
                    None => is_open = false,
                },
                // What was read is acknowledged; the rest goes elsewhere.
                Step::Drain => {
                    is_open = false;
                    channel.is_draining = true;
                }
            }
        }
        if channel.is_draining {
            Err(stack::draining())?;
        }
    }
}

enum Step {
    Done(Done),
    Read(Result<Read>),
    Drain,
}

type Read = Option<(Room, pb::IngestChannelRequest)>;

/// The next request, which is read only when there is room for it.
async fn next(
    engine: &Engine,
    requests: &mut (impl Stream<Item = Result<pb::IngestChannelRequest, tonic::Status>> + Unpin),
) -> Result<Read> {
    let room = engine.wait_for_room(UNREAD_BYTES).await?;
    match requests.next().await {
        None => Ok(None),
        Some(Ok(request)) => Ok(Some((room, request))),
        Some(Err(status)) => Err(broken_off(&status)),
    }
}

#[derive(Default)]
struct Channel {
    producer: String,
    epoch: u32,
    requests_durable: u64,
    events: u64,
    tally: pb::EventTally,
    problems: Vec<pb::EventResult>,
    credits: u32,
    is_draining: bool,
}

impl Channel {
    /// Begins with a request, in a task of its own, so that it goes on while others are read.
    fn send(
        &mut self,
        engine: &Arc<Engine>,
        room: Room,
        request: pb::IngestChannelRequest,
    ) -> Result<JoinHandle<Done>> {
        let bytes = request.encoded_len();
        let pb::IngestChannelRequest { events, producer_id, epoch, first_sequence } = request;
        self.producer.clone_from(&producer_id);
        self.epoch = epoch;
        let Batch { origin, items, ids } = Batch::of(events, producer_id, epoch, first_sequence)?;
        let engine = engine.clone();
        Ok(tokio::spawn(async move {
            let done = engine.ingest(Source::Grpc, origin, items, bytes, Some(room)).await;
            done.map(|outcomes| (ids, outcomes))
        }))
    }

    fn add(&mut self, (ids, outcomes): (Vec<String>, Vec<Outcome>)) {
        self.requests_durable += 1;
        results::tally(&mut self.tally, &outcomes);
        for (id, outcome) in ids.iter().zip(&outcomes) {
            if results::is_problem(outcome) && self.problems.len() < PROBLEMS_MAX {
                self.problems.push(results::result(self.events, id, outcome));
            }
            self.events += 1;
        }
    }

    fn acknowledgement(&mut self, engine: &Engine) -> pb::IngestChannelResponse {
        pb::IngestChannelResponse {
            requests_durable: self.requests_durable,
            durable_sequence: engine.producers.durable(&self.producer, self.epoch),
            tally: Some(self.tally),
            problems: std::mem::take(&mut self.problems),
            credits: self.credits,
        }
    }
}
