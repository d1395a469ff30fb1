//! Durable appends to the history of players.

use gamemesh_contracts::memory::v1 as pb;

use super::MemoryBenchArgs;
use super::sample::Store;
use crate::exit::Outcome;
use crate::load::{LoadArgs, closed};
use crate::report::{Bar, Pair, Row};
use crate::unary::{callers, in_turn};

/// Entries a second.
const FLOOR: f64 = 10_000.0;

/// Entries of one request.
const ENTRIES: u64 = 100;

/// Clients that each wait for their answer.
const CLIENTS: u16 = 16;

const APPEND: &str = "/gamemesh.memory.v1.GameStateService/BatchAppendHistory";

pub(crate) async fn measure(args: &MemoryBenchArgs, store: &Store<'_>) -> Outcome<Row> {
    let server = store.server(&[]).await?;
    let load = LoadArgs { clients: CLIENTS.min(args.load.clients), ..args.load.clone() };
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let clients = in_turn(&load, request);
        let calls = closed(callers(&server, &load, APPEND, clients).await?, load.duration).await?;
        pairs.push(Pair { ours: calls * ENTRIES as f64, baseline: FLOOR });
    }
    let bar = Bar::AtLeast { floor: 1.0, aim: 2.0 };
    Ok(Row::new("durable appends to histories", "the floor", "/s", bar, pairs)
        .note(format!("{} clients, {ENTRIES} entries a call, of 1,000 players", load.clients)))
}

fn request(n: u64) -> pb::BatchAppendHistoryRequest {
    let entry = |at: u64| pb::HistoryEntry {
        player_id: format!("player-{}", (n * ENTRIES + at) % 1_000),
        action: "kill".to_owned(),
        ..Default::default()
    };
    pb::BatchAppendHistoryRequest { entries: (0..ENTRIES).map(entry).collect() }
}
