//! Positions: that so many a second are judged, and how soon.

use std::path::Path;
use std::sync::Arc;

use super::CombatBenchArgs;
use super::arena::Arena;
use super::crowd::{Crowd, Guests};
use super::parts::Walker;
use crate::exit::Outcome;
use crate::report::{Bar, Pair, Row};

/// Positions of each player a second.
const HZ: u32 = 10;
/// One of so many positions is asked after.
const ASKS_EVERY: u64 = 10;
/// The original target.
const P99_MS: f64 = 15.0;
/// Positions that the server has judged and accepted.
const ACCEPTED: &str = "combat_verdicts_total{kind=\"move\",reason=\"ACCEPTED\"}";

pub(super) async fn positions(args: &CombatBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let arena = Arc::new(Arena::open(dir).await?);
    let guests = Guests { first: 0, players: args.positions / HZ, tick_hz: 30, frames_max_hz: 0 };
    let walker = |n| Walker::new(f64::from(HZ), n, ASKS_EVERY);
    let mut crowd = Crowd::gather(&arena, guests, walker).await?;
    let wanted = f64::from(crowd.players() * HZ);
    let (mut rates, mut latencies, mut corrections) = (Vec::new(), Vec::new(), 0);
    for _ in 0..args.pairs {
        let before = arena.counted(ACCEPTED, "").await?;
        let began = std::time::Instant::now();
        let mut told = crowd.act(args.duration, None).await?;
        let accepted = arena.counted(ACCEPTED, "").await? - before;
        // The players stand for a part of that time.
        let acted = args.duration + crate::load::WARM_UP;
        let rate = accepted as f64 / began.elapsed().min(acted).as_secs_f64();
        crowd.require_all()?;
        corrections += told.corrections;
        rates.push(Pair { ours: rate, baseline: wanted });
        latencies.push(Pair { ours: told.p99_ms(), baseline: P99_MS });
    }
    let players = crowd.players();
    crowd.leave().await;
    Ok(vec![
        Row::new(
            "positions accepted",
            "those sent",
            "/s",
            Bar::AtLeast { floor: 0.99, aim: 0.99 },
            rates,
        )
        .note(format!("{players} players, {corrections} corrections")),
        Row::new(
            "P99 of positions",
            "the target",
            "ms",
            Bar::AtMost { ceiling: 1.0, aim: 0.2 },
            latencies,
        )
        .note(format!(
            "at {wanted:.0}/s, from when a position is due to the answer of the command after it; one of {ASKS_EVERY} is asked after"
        )),
    ])
}
