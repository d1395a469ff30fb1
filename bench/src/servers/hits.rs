//! Hits of the cache while players come, play for a while and go.

use std::path::Path;
use std::sync::Arc;

use gamemesh_client::v1::GetPlayerRequest;

use super::database::Database;
use super::latency::seed;
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, Stub, failed};
use crate::state::durable::{PLAYERS, player};
use crate::state::hot_read::{connection, get};
use crate::state::sample;

/// Too small for all players, and enough for those who play.
const CACHE_BYTES: &str = "1MiB";
/// Calls of one session: what a match asks of a player's state.
const SESSION_CALLS: u32 = 60;
/// Every so many calls of a session is a write.
const WRITE_EVERY: u32 = 5;
/// In per cent.
const TARGET: f64 = 95.0;

/// Each client plays one session after the other; who plays follows Zipf's law with exponent 1. A pair
/// begins with an empty cache.
pub(crate) async fn measure(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Row> {
    seed(&Server::on(dir, database.url(), &[]).await?).await?;
    let popularity = Arc::new(popularity());
    let mut pairs = Vec::new();
    for round in 0..load.pairs {
        let flags = ["--cache-bytes", CACHE_BYTES];
        let server = Server::on(dir, database.url(), &flags).await?;
        let stubs = server.stubs(load.connections.into()).await?;
        let players = (0..u64::from(load.clients)).map(|client| {
            let stub = stubs[client as usize % stubs.len()].clone();
            let seed = (u64::from(round) << 32) | client;
            sessions(stub, popularity.clone(), seed)
        });
        closed(players.collect(), load.duration).await?;
        let (hits, misses) = counted(&server).await?;
        pairs.push(Pair { ours: 100.0 * hits / (hits + misses), baseline: TARGET });
    }
    let bar = Bar::AtLeast { floor: 1.0, aim: 99.0 / TARGET };
    Ok(Row::new("hits of the cache on the active set", "the target", "%", bar, pairs).note(format!(
        "sessions of {SESSION_CALLS} calls, each {WRITE_EVERY}th a write, of {PLAYERS} players by \
         Zipf's law; a cache of {CACHE_BYTES}, empty at first"
    )))
}

/// Cumulated shares of the players, the most popular first.
fn popularity() -> Vec<f64> {
    let mut sum = 0.0;
    let shares = (1..=PLAYERS).map(|rank| {
        sum += 1.0 / rank as f64;
        sum
    });
    let shares: Vec<f64> = shares.collect();
    shares.iter().map(|share| share / sum).collect()
}

fn sessions(stub: Stub, popularity: Arc<Vec<f64>>, seed: u64) -> Operation {
    let mut random = seed;
    let mut call = 0;
    let mut id = String::new();
    Box::new(move || {
        if call % SESSION_CALLS == 0 {
            let at = popularity.partition_point(|share| *share < next(&mut random));
            id = player(at as u64);
        }
        call += 1;
        let (mut stub, id, writes) = (stub.clone(), id.clone(), call % WRITE_EVERY == 0);
        Box::pin(async move {
            if writes {
                stub.update_aggregate(sample::update(id)).await.map_err(failed)?;
            } else {
                let request = GetPlayerRequest { player_id: id, ..Default::default() };
                stub.get_player(request).await.map_err(failed)?;
            }
            Ok(1)
        })
    })
}

/// From 0 to 1, the same in each run (`SplitMix64`).
fn next(random: &mut u64) -> f64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *random;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Hits and misses since the server started.
async fn counted(server: &Server) -> Outcome<(f64, f64)> {
    let metrics = get(&mut connection(server).await?, server.address(), "/metrics").await?;
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    let value = |name: &str| {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.ok_or_else(|| Problem::failed(format!("the server has no metric {name}")))
    };
    Ok((value("gsm_cache_hits_total ")?, value("gsm_cache_misses_total ")?))
}
