//! What a game does by itself on Redis: a key for each event that is known, a hash for each player of a
//! match, a sorted set for each board.

use std::sync::Arc;

use gamemesh_contracts::stats::v1::MatchEvent;
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, Pipeline, cmd};
use tokio::sync::Mutex;

use super::ingest::BATCH;
use super::sample::Feed;
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation};

/// A database of the measurement's own.
const DATABASE: &str = "15";
/// Events that are known are forgotten after this, in seconds.
const KNOWN_S: u64 = 3_600;
/// Members of one `ZADD`.
const ADDED_AT_ONCE: u64 = 10_000;

pub(super) struct Redis {
    client: Client,
    connection: MultiplexedConnection,
    /// `appendonly` and `appendfsync` as they were.
    before: [String; 2],
}

impl Redis {
    /// Its own database, which must be empty, with AOF everysec.
    pub(super) async fn open(url: &str) -> Outcome<Self> {
        let server = url.trim_end_matches('/');
        let address = server.trim_start_matches("redis://");
        if address.contains('/') {
            return Err(Problem::failed(format!("{url}: accepts redis://host:port")));
        }
        let client = Client::open(format!("{server}/{DATABASE}")).map_err(Problem::failed)?;
        let mut connection =
            client.get_multiplexed_async_connection().await.map_err(Problem::failed)?;
        let keys: u64 = ask(&mut connection, &mut cmd("DBSIZE")).await?;
        if keys > 0 {
            let what = format!("database {DATABASE} of {url} is not empty: {keys} keys");
            return Err(Problem::failed(what));
        }
        let mut before = [String::new(), String::new()];
        for (setting, value) in ["appendonly", "appendfsync"].into_iter().zip(&mut before) {
            let answer: Vec<String> =
                ask(&mut connection, cmd("CONFIG").arg("GET").arg(setting)).await?;
            *value = answer.get(1).cloned().unwrap_or_default();
        }
        let mut redis = Self { client, connection, before };
        redis.configure(["yes", "everysec"]).await?;
        Ok(redis)
    }

    async fn configure(&mut self, values: [&str; 2]) -> Outcome {
        for (setting, value) in ["appendonly", "appendfsync"].into_iter().zip(values) {
            let command = &mut cmd("CONFIG");
            ask::<()>(&mut self.connection, command.arg("SET").arg(setting).arg(value)).await?;
        }
        Ok(())
    }

    pub(super) async fn empty(&self) -> Outcome {
        ask(&mut self.connection.clone(), &mut cmd("FLUSHDB")).await
    }

    /// Empty, and set as it was.
    pub(super) async fn close(mut self) -> Outcome {
        self.empty().await?;
        let [append, sync] = self.before.clone();
        self.configure([&append, &sync]).await
    }

    /// One connection for each feed.
    pub(super) async fn senders(&self, feeds: Vec<Feed>) -> Outcome<Vec<Operation>> {
        let mut senders: Vec<Operation> = Vec::new();
        for feed in feeds {
            let connection = self.client.get_multiplexed_async_connection().await;
            let connection = connection.map_err(Problem::failed)?;
            let feed = Arc::new(Mutex::new(feed));
            senders.push(Box::new(move || {
                let (mut connection, feed) = (connection.clone(), feed.clone());
                Box::pin(async move {
                    let request = feed.lock().await.next(BATCH);
                    let mut pipeline = Pipeline::with_capacity(3 * BATCH as usize);
                    let (producer, first) = (request.producer_id, request.first_sequence);
                    for (event, place) in request.events.iter().zip(first..) {
                        put(&mut pipeline, &producer, place, event);
                    }
                    pipeline.query_async::<()>(&mut connection).await.map_err(Problem::failed)?;
                    Ok(BATCH)
                })
            }));
        }
        Ok(senders)
    }

    /// A board on which every member has a score of its own.
    pub(super) async fn fill_board(&self, board: &str, members: u64) -> Outcome {
        let mut connection = self.connection.clone();
        for first in (0..members).step_by(ADDED_AT_ONCE as usize) {
            let mut add = cmd("ZADD");
            add.arg(board);
            for member in first..(first + ADDED_AT_ONCE).min(members) {
                add.arg(member % 1_000).arg(format!("player-{member}"));
            }
            ask::<()>(&mut connection, &mut add).await?;
        }
        Ok(())
    }

    /// Clients that ask for one rank after the other.
    pub(super) async fn rankers(
        &self,
        load: &LoadArgs,
        board: &'static str,
        member: impl Fn(u64) -> String + Clone + Send + 'static,
    ) -> Outcome<Vec<Operation>> {
        let mut connections = Vec::new();
        for _ in 0..load.connections {
            let connection = self.client.get_multiplexed_async_connection().await;
            connections.push(connection.map_err(Problem::failed)?);
        }
        let clients = u64::from(load.clients);
        let ranker = |first: u64| -> Operation {
            let connection = connections[first as usize % connections.len()].clone();
            let (member, mut n) = (member.clone(), first);
            Box::new(move || {
                let (mut connection, member) = (connection.clone(), member(n));
                n += clients;
                Box::pin(async move {
                    let mut command = cmd("ZREVRANK");
                    let rank: Option<u64> =
                        ask(&mut connection, command.arg(board).arg(&member)).await?;
                    rank.map(|_| 1).ok_or_else(|| Problem::failed(format!("{member} has no rank")))
                })
            })
        };
        Ok((0..clients).map(ranker).collect())
    }
}

fn put(pipeline: &mut Pipeline, producer: &str, place: u64, event: &MatchEvent) {
    let known = format!("event:{producer}:{place}");
    pipeline.cmd("SET").arg(known).arg(1).arg("NX").arg("EX").arg(KNOWN_S).ignore();
    let figures = format!("match:{}:{}", event.match_id, event.player_id);
    pipeline.cmd("HINCRBY").arg(figures).arg("events").arg(1).ignore();
    pipeline.cmd("ZINCRBY").arg("board:events").arg(1).arg(&event.player_id).ignore();
}

async fn ask<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &mut redis::Cmd,
) -> Outcome<T> {
    command.query_async(connection).await.map_err(Problem::failed)
}
