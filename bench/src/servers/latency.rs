//! The original targets: latency at half load, cold reads, memory.

use std::path::Path;

use gamemesh_client::v1::GetPlayerRequest;

use super::database::Database;
use crate::exit::Outcome;
use crate::load::LoadArgs;
use crate::report::{Bar, Pair, Row};
use crate::server::Server;
use crate::state::durable::{BATCH, PLAYERS, batch_senders, player};
use crate::state::hot_read::GET_PLAYER;
use crate::state::latency::half_load;
use crate::unary::Calls;

/// In milliseconds.
const COLD_P99_MS: f64 = 100.0;
/// In megabytes of 1,000,000 bytes.
const MEMORY_MB: f64 = 2_000.0;
/// Cold reads a second.
const COLD_RATE: f64 = 500.0;

pub(crate) async fn measure(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Vec<Row>> {
    let bar = Bar::AtMost { ceiling: 1.0, aim: 0.1 };
    let mut cold = Vec::new();
    let read = |n| GetPlayerRequest { player_id: player(n), ..Default::default() };
    let calls = Calls { path: GET_PLAYER, request: read };
    seed(&Server::on(dir, database.url(), &[]).await?).await?;
    for _ in 0..load.pairs {
        // A new process has an empty cache.
        let server = Server::on(dir, database.url(), &[]).await?;
        let took = calls.at_rate(&server, load, COLD_RATE).await?;
        let ours = took.value_at_quantile(0.99) as f64 / 1_000.0;
        cold.push(Pair { ours, baseline: COLD_P99_MS });
    }

    let server = Server::on(dir, database.url(), &[]).await?;
    let (mut rows, server) = half_load(load, server).await?;
    let ours = server.resident_bytes()? as f64 / 1e6;
    rows.push(Row::new("P99 of cold reads", "the target", "ms", bar, cold).note(format!(
        "open loop of {COLD_RATE} reads/s, each of another player, after a restart"
    )));
    rows.push(
        Row::new(
            "memory of an instance after that load",
            "the target",
            "MB",
            bar,
            vec![Pair { ours, baseline: MEMORY_MB }],
        )
        .note("resident, once, at the end of the measures of latency"),
    );
    Ok(rows)
}

/// Makes all players.
pub(crate) async fn seed(server: &Server) -> Outcome<()> {
    let mut senders = batch_senders(server).await?;
    for _ in 0..PLAYERS.div_ceil(BATCH * senders.len() as u64) {
        for sender in &mut senders {
            sender().await?;
        }
    }
    Ok(())
}
