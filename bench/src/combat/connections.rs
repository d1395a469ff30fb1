//! Many connections that stay open, and what one of them costs in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::CombatBenchArgs;
use super::arena::{Arena, SEATS};
use super::crowd::{Crowd, Guests};
use super::parts::Walker;
use crate::exit::{Outcome, Problem};
use crate::report::{Bar, Pair, Row};

/// The original target, in megabytes of 1,000,000 bytes for 1,000 connections.
const MEMORY_MB: f64 = 50.0;
/// Files beside the connections.
const OTHER_FILES: u64 = 256;
/// For the server to return what it needed only while connections began.
const SETTLE: Duration = Duration::from_millis(1_000);
/// Pictures and positions of each player a second.
const HZ: u32 = 1;

pub(super) async fn stay_open(args: &CombatBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    raise_file_limit(u64::from(args.connections) + OTHER_FILES)?;
    let arena = Arc::new(Arena::open(dir).await?);
    let guests = Guests { first: 0, players: SEATS, tick_hz: 10, frames_max_hz: HZ };
    let walker = |n| Walker::new(f64::from(HZ), n, 0);
    // The first session brings up what all share.
    let first = Crowd::gather(&arena, guests, walker).await?;
    tokio::time::sleep(SETTLE).await;
    let before = arena.server().resident_bytes()?;
    let guests = Guests { first: SEATS, players: args.connections, ..guests };
    let mut crowd = Crowd::gather(&arena, guests, walker).await?;
    let wanted = f64::from(crowd.players());
    let told = crowd.act(args.duration * 2, None).await?;
    tokio::time::sleep(SETTLE).await;
    let after = arena.server().resident_bytes()?;
    let open = f64::from(crowd.players());
    let why =
        crowd.gone().first().map_or_else(String::new, |first| format!("; the first: {first}"));
    let note = format!(
        "{} sessions of {SEATS}; {} pictures received, {} positions sent, {} connections ended{why}",
        crowd.players() / SEATS,
        told.frames,
        told.sent,
        crowd.gone().len(),
    );
    crowd.leave().await;
    first.leave().await;
    let memory = after.saturating_sub(before) as f64 / wanted / 1_000.0;
    Ok(vec![
        Row::new(
            "connections that stay open",
            "all of them",
            "",
            Bar::AtLeast { floor: 1.0, aim: 1.0 },
            vec![Pair { ours: open, baseline: wanted }],
        )
        .note(note),
        Row::new(
            "memory per 1,000 connections",
            "the target",
            "MB",
            Bar::AtMost { ceiling: 1.0, aim: 0.5 },
            vec![Pair { ours: memory, baseline: MEMORY_MB }],
        )
        .note("seats, sessions and log included"),
    ])
}

/// This process and its children may have so many files open.
fn raise_file_limit(files: u64) -> Outcome {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < files) {
        return Err(Problem::failed(format!(
            "{files} files have to be open, and the system allows {}: raise `ulimit -Hn`, or lower --connections",
            limit.maximum.unwrap_or_default(),
        )));
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(Problem::failed)
}
