//! Events from producers to durable acknowledgement, against the floor and against Redis.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_contracts::stats::v1::{
    EventTally, IngestBatchRequest, IngestChannelRequest, IngestChannelResponse,
    IngestEventsRequest,
};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::redis::Redis;
use super::sample::Feed;
use super::{StatsBenchArgs, product};
use crate::exit::{Outcome, Problem};
use crate::load::{Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, StatsStub, failed};

/// The original promise, events a second.
pub(super) const TARGET: f64 = 100_000.0;
/// Game servers that send.
pub(super) const SENDERS: u64 = 8;
/// Events of one request.
pub(super) const BATCH: u64 = 500;
/// Requests of a channel that wait for their acknowledgement.
const WINDOW: u64 = 8;
/// Requests of a stream that ends with its summary.
const STREAM_REQUESTS: u64 = 8;

pub(super) async fn channels(args: &StatsBenchArgs, dir: &Path) -> Outcome<Row> {
    let mut pairs = Vec::new();
    for run in 0..args.load.pairs {
        let server = product(dir).await?;
        let senders = channel_senders(&server, feeds(args, run), None).await?;
        let ours = closed(senders, args.load.duration).await?;
        pairs.push(Pair { ours, baseline: TARGET });
    }
    let bar = Bar::AtLeast { floor: 1.0, aim: 1.5 };
    Ok(Row::new("durable events on channels", "the target", "/s", bar, pairs).note(format!(
        "{SENDERS} channels, {} matches of 10 players, {BATCH} events a request, at most {WINDOW} \
         requests unacknowledged on each",
        args.matches
    )))
}

pub(super) async fn streams(args: &StatsBenchArgs, dir: &Path) -> Outcome<Row> {
    let mut pairs = Vec::new();
    for run in 0..args.load.pairs {
        let server = product(dir).await?;
        let mut senders: Vec<Operation> = Vec::new();
        for (stub, feed) in
            server.stats_stubs(SENDERS as usize).await?.into_iter().zip(feeds(args, run))
        {
            senders.push(stream_sender(stub, feed));
        }
        let ours = closed(senders, args.load.duration).await?;
        pairs.push(Pair { ours, baseline: TARGET });
    }
    let bar = Bar::AtLeast { floor: 1.0, aim: 1.5 };
    Ok(Row::new("durable events on streams", "the target", "/s", bar, pairs).note(format!(
        "{SENDERS} game servers, {} events a stream, its summary when all of it is durable",
        STREAM_REQUESTS * BATCH
    )))
}

/// What each event costs there is less than what it is worth: a command that counts it though it was
/// counted before, no order, no definition, a second of loss.
pub(super) async fn beside_redis(args: &StatsBenchArgs, dir: &Path) -> Outcome<Row> {
    let redis = Redis::open(args.redis_url.as_deref().unwrap_or_default()).await?;
    let mut pairs = Vec::new();
    for run in 0..args.load.pairs {
        let baseline = closed(redis.senders(feeds(args, run)).await?, args.load.duration).await?;
        redis.empty().await?;
        let server = product(dir).await?;
        let senders = channel_senders(&server, feeds(args, run), None).await?;
        let ours = closed(senders, args.load.duration).await?;
        pairs.push(Pair { ours, baseline });
    }
    redis.close().await?;
    let bar = Bar::AtLeast { floor: 0.5, aim: 1.0 };
    Ok(Row::new("durable events on channels", "Redis, pipelined", "/s", bar, pairs).note(format!(
        "for each event SET NX, HINCRBY and ZINCRBY in pipelines of {BATCH} events on {SENDERS} \
         connections, AOF everysec: Redis may lose a second, and counts a repetition again"
    )))
}

pub(super) fn feeds(args: &StatsBenchArgs, run: u32) -> Vec<Feed> {
    (0..SENDERS).map(|n| Feed::new(run, n, SENDERS, args.matches.into())).collect()
}

/// Channels that together send so many events a second, or as many as are acknowledged.
pub(super) async fn channel_senders(
    server: &Server,
    feeds: Vec<Feed>,
    rate: Option<f64>,
) -> Outcome<Vec<Operation>> {
    let mut senders: Vec<Operation> = Vec::new();
    let between = rate.map(|rate| Duration::from_secs_f64((BATCH * SENDERS) as f64 / rate));
    for (stub, feed) in server.stats_stubs(SENDERS as usize).await?.into_iter().zip(feeds) {
        let channel = Arc::new(Mutex::new(Channel::open(stub, feed, between).await?));
        senders.push(Box::new(move || {
            let channel = channel.clone();
            Box::pin(async move { channel.lock().await.step().await })
        }));
    }
    Ok(senders)
}

struct Channel {
    requests: mpsc::Sender<IngestChannelRequest>,
    acks: Streaming<IngestChannelResponse>,
    feed: Feed,
    began: Instant,
    between: Option<Duration>,
    sent: u64,
    durable: u64,
}

impl Channel {
    async fn open(mut stub: StatsStub, feed: Feed, between: Option<Duration>) -> Outcome<Self> {
        let (requests, receiver) = mpsc::channel(WINDOW as usize);
        let opened = stub.ingest_channel(ReceiverStream::new(receiver)).await.map_err(failed)?;
        let (acks, began) = (opened.into_inner(), Instant::now());
        Ok(Self { requests, acks, feed, began, between, sent: 0, durable: 0 })
    }

    /// Sends what is due and waits for an acknowledgement; answers how many events it is for.
    async fn step(&mut self) -> Outcome<u64> {
        let before = self.durable;
        while self.durable == before {
            let due = self.due();
            let has_room = self.sent < self.durable + WINDOW;
            if has_room && due.is_none_or(|due| due <= Instant::now()) {
                self.send().await?;
                continue;
            }
            let due = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into());
            tokio::select! {
                ack = self.acks.message() => {
                    let ack = ack.map_err(failed)?;
                    let ack = ack.ok_or_else(|| Problem::failed("the channel ended"))?;
                    all_counted(ack.tally)?;
                    self.durable = ack.requests_durable;
                }
                () = due, if has_room => {}
            }
        }
        Ok((self.durable - before) * BATCH)
    }

    /// When the next request is to be sent, if it has a time.
    fn due(&self) -> Option<Instant> {
        self.between.map(|between| self.began + between.mul_f64(self.sent as f64))
    }

    async fn send(&mut self) -> Outcome {
        let IngestBatchRequest { events, producer_id, epoch, first_sequence, .. } =
            self.feed.next(BATCH);
        let request = IngestChannelRequest { events, producer_id, epoch, first_sequence };
        let sent = self.requests.send(request).await;
        self.sent += 1;
        sent.map_err(|_| Problem::failed("the channel ended"))
    }
}

fn stream_sender(stub: StatsStub, feed: Feed) -> Operation {
    let feed = Arc::new(Mutex::new(feed));
    Box::new(move || {
        let (mut stub, feed) = (stub.clone(), feed.clone());
        Box::pin(async move {
            let requests: Vec<_> = {
                let mut feed = feed.lock().await;
                let next = |_| {
                    let IngestBatchRequest { events, producer_id, epoch, first_sequence, .. } =
                        feed.next(BATCH);
                    IngestEventsRequest { events, producer_id, epoch, first_sequence }
                };
                (0..STREAM_REQUESTS).map(next).collect()
            };
            let answer = stub.ingest_events(tokio_stream::iter(requests)).await.map_err(failed)?;
            all_counted(answer.into_inner().tally)?;
            Ok(STREAM_REQUESTS * BATCH)
        })
    })
}

/// A measurement in which events are turned away or repeated is none.
pub(super) fn all_counted(tally: Option<EventTally>) -> Outcome<()> {
    let tally = tally.unwrap_or_default();
    if tally.duplicates + tally.conflicts + tally.refused + tally.shed > 0 {
        return Err(Problem::failed(format!("events were not counted: {tally:?}")));
    }
    Ok(())
}
