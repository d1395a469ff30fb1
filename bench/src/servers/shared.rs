//! Reads that the cache of one process cannot answer and Redis can, against a bare `GET` of such a value
//! through a pool like the product's.

use std::path::Path;
use std::sync::Arc;

use gamemesh_client::v1::GetPlayerRequest;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, FromRedisValue, Value};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::database::Database;
use super::latency::seed;
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};
use crate::state::durable::{PLAYERS, player};
use crate::state::hot_read::GET_PLAYER;
use crate::unary;

/// As good as no cache in the process.
const CACHE_BYTES: &str = "1KiB";
/// Connections that the product opens at most (`redis-pool-size`); each brings one command at a time.
const CONNECTIONS_MAX: usize = 100;
/// How long the copy of a value stays in Redis when a measure is broken off, in seconds.
const LIFETIME_S: u64 = 3_600;

pub(crate) async fn measure(
    load: &LoadArgs,
    database: &Database,
    redis: &str,
    dir: &Path,
) -> Outcome<Row> {
    let flags = ["--redis-url", redis, "--cache-bytes", CACHE_BYTES];
    let server = Server::on(dir, database.url(), &flags).await?;
    seed(&server).await?;
    // What is not in Redis yet is brought there by the first read of it.
    let mut stub = server.stubs(1).await?.remove(0);
    for n in 0..PLAYERS {
        stub.get_player(request(n)).await.map_err(failed)?;
    }
    let pool = Arc::new(Pool::new(redis)?);
    let (key, bytes) = copy(&pool, database).await?;
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let baseline = closed(getters(&pool, load, &key, bytes), load.duration).await?;
        let ours = closed(readers(&server, load).await?, load.duration).await?;
        pairs.push(Pair { ours, baseline });
    }
    let bar = Bar::AtLeast { floor: 0.3, aim: 0.6 };
    pool.ask::<()>(redis::cmd("DEL").arg(&key)).await?;
    Ok(Row::new("read from the shared cache", "bare GET of Redis", "/s", bar, pairs).note(format!(
        "{PLAYERS} players in turn, {CACHE_BYTES} of cache in the process, whole gRPC calls by {} \
         clients on {} connections; GET of one such value of {bytes} bytes by as many clients of the \
         redis crate, on connections that carry one command at a time, at most {CONNECTIONS_MAX} as \
         in the product, last in, first out",
        load.clients, load.connections
    )))
}

fn request(n: u64) -> GetPlayerRequest {
    GetPlayerRequest { player_id: player(n), ..Default::default() }
}

/// Clients that read one player after the other.
async fn readers(server: &Server, load: &LoadArgs) -> Outcome<Vec<Operation>> {
    unary::callers(server, load, GET_PLAYER, unary::in_turn(load, request)).await
}

/// Copies one of the values that the product has put into Redis; answers the copy's name and size.
async fn copy(pool: &Pool, database: &Database) -> Outcome<(String, usize)> {
    let store = "SELECT replace(incarnation::text, '-', '') FROM store";
    let names = format!("gamemesh:{{{}/*/player/*", database.text(store).await?);
    let (mut cursor, mut found) = (0_u64, Vec::<String>::new());
    while found.is_empty() {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&names).arg("COUNT").arg(1_000);
        (cursor, found) = pool.ask(&scan).await?;
        if cursor == 0 && found.is_empty() {
            return Err(Problem::failed("the product has put nothing into Redis"));
        }
    }
    let key = format!("gamemesh-bench-{}", Uuid::new_v4());
    pool.ask::<()>(redis::cmd("COPY").arg(&found[0]).arg(&key)).await?;
    pool.ask::<()>(redis::cmd("EXPIRE").arg(&key).arg(LIFETIME_S)).await?;
    let bytes = pool.ask(redis::cmd("STRLEN").arg(&key)).await?;
    Ok((key, bytes))
}

fn getters(pool: &Arc<Pool>, load: &LoadArgs, key: &str, bytes: usize) -> Vec<Operation> {
    let getter = |_| -> Operation {
        let (pool, key) = (pool.clone(), key.to_owned());
        Box::new(move || {
            let (pool, key) = (pool.clone(), key.clone());
            Box::pin(async move {
                match pool.ask(redis::cmd("GET").arg(&key)).await? {
                    Value::BulkString(value) if value.len() == bytes => Ok(1),
                    other => Err(Problem::failed(format!("Redis answered {other:?}"))),
                }
            })
        })
    };
    (0..load.clients).map(getter).collect()
}

/// Connections as the product makes, bounds and keeps them, without its clocks and its breaker.
struct Pool {
    client: Client,
    line: Semaphore,
    /// The one used last is at the end and is used next.
    idle: Mutex<Vec<MultiplexedConnection>>,
}

impl Pool {
    fn new(url: &str) -> Outcome<Self> {
        let client = Client::open(url).map_err(Problem::failed)?;
        Ok(Self { client, line: Semaphore::new(CONNECTIONS_MAX), idle: Mutex::default() })
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Outcome<T> {
        let _place = self.line.acquire().await.map_err(Problem::failed)?;
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let made = self.client.get_multiplexed_async_connection().await;
                made.map_err(Problem::failed)?
            }
        };
        let answer = command.query_async(&mut connection).await.map_err(Problem::failed)?;
        self.idle.lock().push(connection);
        Ok(answer)
    }
}
