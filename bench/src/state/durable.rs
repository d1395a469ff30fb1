//! Durable updates: one a call, in batches, in streams, against single-row commits of SQLite.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_client::v1;
use gamemesh_client::v1::batch_update_result::Result as Answer;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::StateBenchArgs;
use super::hot_read::{grpc_readers, request};
use super::sample;
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation, closed};
use crate::report::{Bar, Pair, Row, median};
use crate::server::{Server, Stub, failed};
use crate::unary;

/// Players that are updated, so that some are met again and none is hot.
pub(crate) const PLAYERS: u64 = 10_000;
/// Updates in one call of a batch.
pub(crate) const BATCH: u64 = 500;
/// Clients that send batches or streams.
pub(crate) const SENDERS: u64 = 16;
/// Updates of one stream that wait for their answer.
pub(crate) const WINDOW: usize = 512;
/// Updates of a stream that are sent and answered as one step of the load generator.
const STEP: u64 = 256;

/// The method that updates one aggregate.
pub(crate) const UPDATE: &str = "/gamemesh.state.v1.StateService/UpdateAggregate";

const AGAINST: &str = "single-row SQLite commits";

/// One update a call, each client waiting for its answer. With a fast disk the calls are the limit and
/// not the commits, so the same clients also call a bare server that answers nothing.
pub(crate) async fn updates(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let bar = Bar::AtLeast { floor: 20.0, aim: 100.0 };
    let product = Server::product(dir).await?;
    let nothing = dir.join("nothing.bin");
    std::fs::write(&nothing, [])?;
    let bare = Server::baseline(dir, "grpc", &nothing).await?;
    let load = &args.load;
    let (mut pairs, mut calls, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..load.pairs {
        let baseline = single_row_commits(dir, load.duration).await?;
        let ours = closed(updaters(&product, load, player).await?, load.duration).await?;
        let bare = closed(grpc_readers(&bare, load, &request()).await?, load.duration).await?;
        pairs.push(Pair { ours, baseline });
        calls.push(bare);
        shares.push(ours / bare);
    }
    Ok(Row::new("durable updates, one a call", AGAINST, "/s", bar, pairs).note(format!(
        "{} clients, each waiting for its answer; a bare tonic server takes {:.0} empty calls/s of \
         theirs, and this is {:.2}× of it",
        load.clients,
        median(&calls),
        median(&shares)
    )))
}

/// In calls of many.
pub(crate) async fn batches(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let bar = Bar::AtLeast { floor: 50.0, aim: 150.0 };
    let product = Server::product(dir).await?;
    let pairs = paired(args, dir, async || batch_senders(&product).await).await?;
    Ok(Row::new("durable updates, in batches", AGAINST, "/s", bar, pairs)
        .note(format!("{SENDERS} clients, {BATCH} updates a call")))
}

/// On streams.
pub(crate) async fn streams(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let bar = Bar::AtLeast { floor: 50.0, aim: 150.0 };
    let product = Server::product(dir).await?;
    let pairs = paired(args, dir, async || stream_senders(&product).await).await?;
    Ok(Row::new("durable updates, on streams", AGAINST, "/s", bar, pairs)
        .note(format!("{SENDERS} streams, at most {WINDOW} unanswered updates on each")))
}

async fn paired(
    args: &StateBenchArgs,
    dir: &Path,
    workers: impl AsyncFn() -> Outcome<Vec<Operation>>,
) -> Outcome<Vec<Pair>> {
    let mut pairs = Vec::new();
    for _ in 0..args.load.pairs {
        let baseline = single_row_commits(dir, args.load.duration).await?;
        let ours = closed(workers().await?, args.load.duration).await?;
        pairs.push(Pair { ours, baseline });
    }
    Ok(pairs)
}

/// Clients that update one player after the other, each waiting for its answer.
pub(crate) async fn updaters(
    server: &Server,
    load: &LoadArgs,
    player: fn(u64) -> String,
) -> Outcome<Vec<Operation>> {
    let clients = unary::in_turn(load, move |n| sample::update(player(n)));
    unary::callers(server, load, UPDATE, clients).await
}

/// Clients that send calls of many updates.
pub(crate) async fn batch_senders(server: &Server) -> Outcome<Vec<Operation>> {
    let stubs = server.stubs(SENDERS as usize).await?;
    Ok(stubs.into_iter().zip(0..).map(|(stub, n)| batch_sender(stub, n)).collect())
}

/// Clients that send updates on streams.
pub(crate) async fn stream_senders(server: &Server) -> Outcome<Vec<Operation>> {
    let mut senders = Vec::new();
    for (stub, n) in server.stubs(SENDERS as usize).await?.into_iter().zip(0..) {
        senders.push(stream_sender(stub, n).await?);
    }
    Ok(senders)
}

fn batch_sender(stub: Stub, sender: u64) -> Operation {
    let mut n = sender * BATCH;
    Box::new(move || {
        let updates = (n..n + BATCH).map(|n| sample::update(player(n))).collect();
        n += SENDERS * BATCH;
        let mut stub = stub.clone();
        Box::pin(async move {
            let request = v1::BatchUpdateAggregatesRequest { updates };
            let answer = stub.batch_update_aggregates(request).await.map_err(failed)?.into_inner();
            answer.results.into_iter().try_for_each(written)?;
            Ok(BATCH)
        })
    })
}

/// A stream on which `WINDOW` updates are always under way: each step sends as many as it takes
/// answers.
async fn stream_sender(mut stub: Stub, sender: u64) -> Outcome<Operation> {
    let (updates, receiver) = mpsc::channel(WINDOW + STEP as usize);
    let answers =
        stub.stream_updates(ReceiverStream::new(receiver)).await.map_err(failed)?.into_inner();
    let mut stream = Stream { updates, answers, next: sender };
    stream.send(WINDOW as u64).await?;
    let stream = Arc::new(Mutex::new(stream));
    Ok(Box::new(move || {
        let stream = stream.clone();
        Box::pin(async move {
            let mut stream = stream.lock().await;
            for _ in 0..STEP {
                let answer = stream.answers.message().await.map_err(failed)?;
                let answer = answer.ok_or_else(|| Problem::failed("the stream ended"))?;
                answer.result.map_or(Ok(()), written)?;
            }
            stream.send(STEP).await?;
            Ok(STEP)
        })
    }))
}

struct Stream {
    updates: mpsc::Sender<v1::StreamUpdatesRequest>,
    answers: Streaming<v1::StreamUpdatesResponse>,
    next: u64,
}

impl Stream {
    async fn send(&mut self, count: u64) -> Outcome<()> {
        for _ in 0..count {
            let update = v1::StreamUpdatesRequest {
                sequence: self.next as i64,
                update: Some(sample::update(player(self.next))),
            };
            self.updates.send(update).await.map_err(|_| Problem::failed("the stream ended"))?;
            self.next += SENDERS;
        }
        Ok(())
    }
}

/// Spread over many players.
pub(crate) fn player(n: u64) -> String {
    format!("bench-{}", n % PLAYERS)
}

fn written(result: v1::BatchUpdateResult) -> Outcome<()> {
    match result.result {
        Some(Answer::Updated(_)) => Ok(()),
        Some(Answer::Refusal(refusal)) => Err(gamemesh_client::Error::from(refusal).into()),
        None => Err(Problem::failed("an update without a result")),
    }
}

/// Commits a second of one connection: one row of an event's size in each, WAL, FULL.
async fn single_row_commits(dir: &Path, duration: Duration) -> Outcome<f64> {
    let file = tempfile::Builder::new().prefix("rows-").suffix(".db").tempfile_in(dir)?;
    let mut connection = SqliteConnectOptions::new()
        .filename(file.path())
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(Problem::failed)?;
    sqlx::query("CREATE TABLE events (position INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        .execute(&mut connection)
        .await
        .map_err(Problem::failed)?;
    let data = vec![0x5a_u8; sample::EVENT_BYTES];
    let began = Instant::now();
    let mut commits = 0_u64;
    while began.elapsed() < duration {
        sqlx::query("INSERT INTO events (data) VALUES (?)")
            .bind(&data)
            .execute(&mut connection)
            .await
            .map_err(Problem::failed)?;
        commits += 1;
    }
    let rate = commits as f64 / began.elapsed().as_secs_f64();
    connection.close().await.map_err(Problem::failed)?;
    Ok(rate)
}
