//! Memory of the server for each match and for each of its players.

use std::path::Path;
use std::time::Duration;

use gamemesh_contracts::stats::v1::MatchEvent;

use super::sample::{self, PLAYERS};
use super::{StatsBenchArgs, ingest, product};
use crate::exit::Outcome;
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};

/// The original targets, in kilobytes of 1,000 bytes.
const MATCH_KB: f64 = 1.0;
const PLAYER_KB: f64 = 50.0;
/// Matches without players, for each of the matches of the other measures.
const EMPTY: u64 = 20;
/// Events of each player.
const EVENTS_A_PLAYER: u64 = 30;
/// Servers are measured this often: a fresh process each time.
const ROUNDS_MAX: u32 = 3;
/// For boards to follow, for matches to come to rest, and for the server to return what it needed only while
/// events came in.
const SETTLE: Duration = Duration::from_secs(6);

pub(super) async fn memory(args: &StatsBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let matches = u64::from(args.matches);
    let (mut empty, mut players) = (Vec::new(), Vec::new());
    for _ in 0..args.load.pairs.min(ROUNDS_MAX) {
        let starts = (0..matches * EMPTY).map(sample::start);
        let ours = kilobytes(dir, starts, matches * EMPTY).await?;
        empty.push(Pair { ours, baseline: MATCH_KB });
        let events = (0..PLAYERS * EVENTS_A_PLAYER)
            .flat_map(|number| (0..matches).map(move |of_match| sample::event(of_match, number)));
        let ours = kilobytes(dir, events, matches * PLAYERS).await?;
        players.push(Pair { ours, baseline: PLAYER_KB });
    }
    Ok(vec![
        Row::new(
            "memory per match",
            "the target",
            "KB",
            Bar::AtMost { ceiling: 1.0, aim: 0.5 },
            empty,
        )
        .note(format!("{} matches that have begun, nobody in them, at rest", matches * EMPTY)),
        Row::new(
            "memory per player",
            "the target",
            "KB",
            Bar::AtMost { ceiling: 1.0, aim: 0.1 },
            players,
        )
        .note(format!(
            "{} players, {EVENTS_A_PLAYER} events each, with their matches, totals and boards",
            matches * PLAYERS
        )),
    ])
}

/// Resident memory that these events add to a server, for each of `shares`.
async fn kilobytes(
    dir: &Path,
    events: impl Iterator<Item = MatchEvent>,
    shares: u64,
) -> Outcome<f64> {
    let server = product(dir).await?;
    let before = server.resident_bytes()?;
    send(&server, events).await?;
    tokio::time::sleep(SETTLE).await;
    let after = server.resident_bytes()?;
    Ok(after.saturating_sub(before) as f64 / shares as f64 / 1_000.0)
}

/// Events one call after the other.
pub(super) async fn send(server: &Server, events: impl Iterator<Item = MatchEvent>) -> Outcome {
    let mut stub = server.stats_stubs(1).await?.remove(0);
    let (mut events, mut first) = (events, 1);
    loop {
        let some: Vec<_> = events.by_ref().take(ingest::BATCH as usize * 4).collect();
        let count = some.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let answer = stub.ingest_batch(sample::batch("filler", first, some)).await;
        ingest::all_counted(answer.map_err(failed)?.into_inner().tally)?;
        first += count;
    }
}
