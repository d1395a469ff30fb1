//! An instance that is held still for longer than others wait for it, and woken.

use std::time::Duration;

use super::hot::Hot;
use super::{Bank, INSTANCES, Studio, Writers, pause};
use crate::it::crash::versions;
use crate::it::faults::observer::Observer;

/// Longer than the database lets a transaction idle, and than a relay waits for another.
const SLEEP: Duration = Duration::from_secs(5);
/// The same where there is time: longer than every call's deadline too.
const LONG_SLEEP: Duration = Duration::from_secs(30);

/// What it had begun is finished or not, never made out of order; it takes up what the others have
/// written; and those who watch through it miss nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_slept_appends_nothing_stale_and_its_watchers_go_on() {
    let long = std::env::var_os("GAMEMESH_FAULT_ROUNDS").is_some();
    let studio = Studio::open().await;
    let victim = &studio.worlds[0];
    let mut observer = Observer::on(victim).await;
    let (mut hot, mut bank) = (Hot::default(), Bank::found(&studio.worlds[1]).await);
    let writers = Writers::start(&studio, 0);
    pause(300).await;
    victim.pause(true).unwrap();
    // The others go on meanwhile, also with what it held.
    let beside = Writers::start(&studio, 1);
    for other in &studio.worlds[1..] {
        studio.recover_at(other, &format!("beside-{}", other.address())).await;
    }
    tokio::time::sleep(if long { LONG_SLEEP } else { SLEEP }).await;
    victim.pause(false).unwrap();
    let recovered = studio.recover_at(victim, "awake").await;
    pause(300).await;

    let mut written = 0;
    for writers in [writers, beside] {
        for (at, mut ledger, mine, transfers) in writers.stop().await {
            assert!(at == 0 || !ledger.is_in_doubt(), "{} failed beside a sleep", ledger.name());
            written += ledger.acknowledged();
            for world in studio.worlds.iter().cycle().skip(at).take(INSTANCES) {
                ledger.go_to(world);
                ledger.check_after_death().await;
            }
            ledger.settle_what_was_pending().await;
            hot.add(mine);
            bank.add(transfers);
        }
    }
    hot.settle(victim).await;
    bank.settle(victim).await;
    for world in &studio.worlds {
        hot.check(world).await;
        bank.check(world).await;
    }
    println!("{written} writes; awake, the next one {recovered:?} later");
    let mut all = versions(&studio.worlds[1].client().await.unwrap(), "world").await;
    all.extend(versions(&studio.worlds[1].client().await.unwrap(), "economy").await);
    observer.sees(&all).await;
}
