//! Live combat on the stores that studios run it on, by clients that know only what they were told.

mod crash;
mod delayed;
mod forged;
mod kafka;
mod player;
mod rest;
mod several;
mod tables;
mod traces;
mod whole;

use std::time::{Duration, Instant};

use gamemesh_contracts::combat::v1 as pb;

/// What is waited for has come by then, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not by now");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The numbers of events follow each other without a gap.
fn are_dense(events: &[pb::CombatEvent]) -> bool {
    events.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1)
}
