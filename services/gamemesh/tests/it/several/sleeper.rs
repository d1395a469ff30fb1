//! An instance that is held still for longer than others wait for it, and woken.

use std::time::Duration;

use gamemesh_testkit::World;

use super::hot::Hot;
use super::{Bank, INSTANCES, Studio, Writers, pause};
use crate::it::crash::versions;
use crate::it::faults::observer::Observer;
use crate::it::lanes::{OWNED, owners, settled};

/// Longer than the database lets a transaction idle, and than a relay waits for another.
const SLEEP: Duration = Duration::from_secs(5);
/// The same where there is time: longer than every call's deadline too.
const LONG_SLEEP: Duration = Duration::from_secs(30);

/// What it had begun is finished or not, never made out of order; it takes up what the others have
/// written; and those who watch through it miss nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_slept_appends_nothing_stale_and_its_watchers_go_on() {
    sleeps(&[]).await;
}

/// Besides, the lanes that it owned are others' when it wakes, under a later epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_slept_appends_nothing_stale_and_its_watchers_go_on() {
    sleeps(&OWNED).await;
}

async fn sleeps(settings: &[(&str, &str)]) {
    let long = std::env::var_os("GAMEMESH_FAULT_ROUNDS").is_some();
    let studio = Studio::open(settings).await;
    let owned = lanes_of(&studio.worlds[0], !settings.is_empty()).await;
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
    for (lane, epoch) in &owned {
        let now = &owners(&studio.worlds[1])[*lane];
        assert!(now.epoch > *epoch && now.owner.as_deref() != Some(&*victim.address()), "{now:?}");
    }
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
    eprintln!("{written} writes; awake, the next one {recovered:?} later");
    let mut all = versions(&studio.worlds[1].client().await.unwrap(), "world").await;
    all.extend(versions(&studio.worlds[1].client().await.unwrap(), "economy").await);
    observer.sees(&all).await;
}

/// The lanes of an instance with their epochs, once all have an owner.
async fn lanes_of(world: &World, owned: bool) -> Vec<(usize, i64)> {
    if !owned {
        return Vec::new();
    }
    settled(world, INSTANCES).await;
    let lanes = owners(world).into_iter().enumerate();
    let own = lanes.filter(|(_, lane)| lane.owner.as_deref() == Some(&*world.address()));
    let own: Vec<_> = own.map(|(at, lane)| (at, lane.epoch)).collect();
    assert!(!own.is_empty());
    own
}
