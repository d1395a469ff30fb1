//! Reads that the cache of one process cannot answer and Redis can, against a bare `GET`.

use std::path::Path;
use std::sync::Arc;

use gamemesh_client::v1::GetPlayerRequest;
use tokio::sync::Mutex;

use super::database::Database;
use super::latency::seed;
use super::resp::Redis;
use crate::bench::durable::{PLAYERS, player};
use crate::bench::load::{LoadArgs, Operation, closed};
use crate::bench::report::{Bar, Pair, Row};
use crate::bench::server::{Server, failed};
use crate::exit::{Outcome, Problem};

/// As good as no cache in the process.
const CACHE_BYTES: &str = "1KiB";
/// About as much as Redis keeps of one player.
const VALUE_BYTES: usize = 256;

pub(super) async fn measure(
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
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let baseline = closed(getters(redis, load).await?, load.duration).await?;
        let ours = closed(readers(&server, load).await?, load.duration).await?;
        pairs.push(Pair { ours, baseline });
    }
    let bar = Bar::AtLeast { floor: 0.3, aim: 0.6 };
    Ok(Row::new("read from the shared cache", "bare GET of Redis", "/s", bar, pairs).note(format!(
        "{PLAYERS} players in turn, {CACHE_BYTES} of cache in the process; GET of {VALUE_BYTES} \
         bytes by {} clients on a connection each",
        load.clients
    )))
}

fn request(n: u64) -> GetPlayerRequest {
    GetPlayerRequest { player_id: player(n), ..Default::default() }
}

async fn readers(server: &Server, load: &LoadArgs) -> Outcome<Vec<Operation>> {
    let stubs = server.stubs(load.connections.into()).await?;
    let clients = u64::from(load.clients);
    let reader = |client: u64| -> Operation {
        let stub = stubs[client as usize % stubs.len()].clone();
        let mut n = client;
        Box::new(move || {
            let (mut stub, request) = (stub.clone(), request(n));
            n += clients;
            Box::pin(async move { stub.get_player(request).await.map(|_| 1).map_err(failed) })
        })
    };
    Ok((0..clients).map(reader).collect())
}

async fn getters(url: &str, load: &LoadArgs) -> Outcome<Vec<Operation>> {
    let key = format!("gamemesh-bench-{}", uuid::Uuid::new_v4());
    let mut first = Redis::connect(url).await?;
    first.send(&["SET", &key, &"x".repeat(VALUE_BYTES), "EX", "600"]).await?;
    first.receive().await?;
    let mut getters: Vec<Operation> = Vec::new();
    for _ in 0..load.clients {
        let redis = Arc::new(Mutex::new(Redis::connect(url).await?));
        let key = key.clone();
        getters.push(Box::new(move || {
            let (redis, key) = (redis.clone(), key.clone());
            Box::pin(async move {
                let mut redis = redis.lock().await;
                redis.send(&["GET", &key]).await?;
                match redis.bulk().await?.len() {
                    VALUE_BYTES => Ok(1),
                    other => Err(Problem::failed(format!("Redis answered {other} bytes"))),
                }
            })
        }));
    }
    Ok(getters)
}
