//! Damage: how much a second, and how soon a shot is answered at half of it.

use std::path::Path;
use std::sync::Arc;

use super::CombatBenchArgs;
use super::arena::Arena;
use super::crowd::{Crowd, Guests};
use super::parts::Shooter;
use crate::exit::{Outcome, Problem};
use crate::report::{Bar, Pair, Row, median};

/// The original targets.
const DAMAGE_PER_S: f64 = 2_000.0;
const DAMAGE_P99_MS: f64 = 10.0;
/// Where fewer of the shots hurt somebody, something else was measured.
const HITS_SHARE: f64 = 0.9;

pub(super) async fn damage(args: &CombatBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let arena = Arc::new(Arena::open(dir).await?);
    let guests = Guests { first: 0, players: args.shooters, tick_hz: 30, frames_max_hz: 0 };
    let mut crowd = Crowd::gather(&arena, guests, Shooter::new).await?;
    let (mut rates, mut latencies, mut halves) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        let told = crowd.act(args.duration, None).await?;
        crowd.require_all()?;
        if (told.hits as f64) < told.sent as f64 * HITS_SHARE {
            return Err(Problem::failed(format!(
                "{} of {} shots hurt somebody; another verdict: {}",
                told.hits, told.sent, told.reason
            )));
        }
        let rate = told.hits as f64 / args.duration.as_secs_f64();
        rates.push(Pair { ours: rate, baseline: DAMAGE_PER_S });
        let half = rate / 2.0;
        halves.push(half);
        let each = half / f64::from(crowd.players());
        let mut told = crowd.act(args.duration, Some(each)).await?;
        crowd.require_all()?;
        latencies.push(Pair { ours: told.p99_ms(), baseline: DAMAGE_P99_MS });
    }
    let players = crowd.players();
    crowd.leave().await;
    Ok(vec![
        Row::new(
            "damage",
            "the target",
            "/s",
            Bar::AtLeast { floor: 1.0, aim: 5.0 },
            rates,
        )
        .note(format!(
            "{players} players, each of whom shoots when he is answered, at most 19 times a second; pictures at 30 Hz"
        )),
        Row::new(
            "P99 of damage at half load",
            "the target",
            "ms",
            Bar::AtMost { ceiling: 1.0, aim: 0.2 },
            latencies,
        )
        .note(format!("open loop of {:.0} shots/s, answered as APPLIED", median(&halves))),
    ])
}
