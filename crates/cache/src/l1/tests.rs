use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tokio::sync::{Barrier, Notify};

use super::{Entry, L1, Tier};

fn entry(version: u64) -> Entry<u64> {
    Entry { version, value: Arc::new(version), size_bytes: 8 }
}

fn cache() -> L1<&'static str, u64> {
    L1::new(1 << 20, 64)
}

async fn load(cache: &L1<&'static str, u64>, version: u64) -> (u64, Tier) {
    let loaded = cache
        .get_or_load(&"k", 0, |_| async move { Ok::<_, Infallible>((entry(version), Tier::Store)) })
        .await;
    let (entry, tier) = loaded.unwrap();
    (entry.version, tier)
}

#[test]
fn a_key_never_goes_back() {
    let cache = cache();
    assert!(cache.put(&"k", entry(3)));
    assert!(!cache.put(&"k", entry(2)));
    assert_eq!(cache.get(&"k").unwrap().version, 3);
}

#[test]
fn values_that_grow_in_their_place_stay_within_the_bound() {
    let cache: L1<u32, u64> = L1::new(100_000, 64);
    for version in 1..=10 {
        for key in 0..40 {
            // 40 keys fit at first, and none is new after that.
            let size_bytes = version * 1_000;
            cache.put(&key, Entry { version, value: Arc::new(version), size_bytes });
            let bytes = cache.statistics().bytes;
            assert!(bytes <= 100_000, "{bytes} at version {version} of {key}");
        }
    }
    assert!(cache.statistics().bytes > 50_000);
}

#[test]
fn a_floor_hides_what_is_older_and_admits_its_own_version() {
    let cache = cache();
    cache.put(&"k", entry(3));
    cache.raise_floor(&"k", 5);
    assert!(cache.get(&"k").is_none());
    assert!(!cache.put(&"k", entry(4)));
    assert!(cache.put(&"k", entry(5)));
}

#[tokio::test]
async fn a_late_fill_does_not_undo_an_invalidation() {
    let cache = Arc::new(cache());
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let truth = Arc::new(AtomicU64::new(1));
    let reader = tokio::spawn({
        let (cache, started, go, truth) =
            (cache.clone(), started.clone(), go.clone(), truth.clone());
        async move {
            let load = |_| async {
                let version = truth.load(Ordering::SeqCst);
                if version == 1 {
                    started.notify_one();
                    go.notified().await;
                }
                Ok::<_, Infallible>((entry(version), Tier::Store))
            };
            cache.get_or_load(&"k", 0, load).await.unwrap().0.version
        }
    });
    started.notified().await;
    truth.store(2, Ordering::SeqCst);
    cache.raise_floor(&"k", 2);
    go.notify_one();
    assert_eq!(reader.await.unwrap(), 2);
    assert_eq!(cache.get(&"k").unwrap().version, 2);
    assert_eq!(cache.statistics().stale_fills_dropped, 1);
    assert_eq!(cache.flights.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_misses_load_once() {
    let cache = Arc::new(cache());
    let loads = Arc::new(AtomicU64::new(0));
    let together = Arc::new(Barrier::new(32));
    let readers = (0..32).map(|_| {
        let (cache, loads, together) = (cache.clone(), loads.clone(), together.clone());
        tokio::spawn(async move {
            together.wait().await;
            let load = |_| async {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                Ok::<_, Infallible>((entry(7), Tier::Store))
            };
            cache.get_or_load(&"k", 0, load).await.unwrap().0.version
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap(), 7);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_waiter_takes_over_when_the_loader_goes_away() {
    let cache = Arc::new(cache());
    let loader = tokio::spawn({
        let cache = cache.clone();
        async move {
            let load = |_| std::future::pending::<Result<(Entry<u64>, Tier), Infallible>>();
            cache.get_or_load(&"k", 0, load).await.unwrap().0.version
        }
    });
    tokio::task::yield_now().await;
    let waiter = tokio::spawn({
        let cache = cache.clone();
        async move { load(&cache, 4).await }
    });
    tokio::task::yield_now().await;
    loader.abort();
    assert_eq!(waiter.await.unwrap(), (4, Tier::Store));
    assert_eq!(cache.flights.len(), 0);
}

/// One who only waited comes to his turn late: the load he waited for is over, a newer version has been
/// seen since, and its slot is evicted.
#[tokio::test]
async fn a_late_waiter_does_not_undo_an_invalidation() {
    let (cache, go) = (Arc::new(cache()), Notify::new());
    let load = |_| async {
        go.notified().await;
        Ok::<_, Infallible>((entry(7), Tier::Store))
    };
    let mut leader = Box::pin(cache.get_or_load(&"k", 0, load));
    assert!(futures::poll!(&mut leader).is_pending());
    let mut waiter = Box::pin(cache.get_or_load(&"k", 0, load));
    assert!(futures::poll!(&mut waiter).is_pending());
    go.notify_one();
    assert_eq!(leader.await.unwrap().0.version, 7);
    cache.put(&"k", entry(8));
    cache.forget(&"k");
    assert_eq!(waiter.await.unwrap().0.version, 7, "as new as when he came");
    assert!(cache.peek(&"k").is_none(), "version 8 is known to exist");
    assert_eq!(cache.flights.len(), 0);
}

#[tokio::test]
async fn a_demanded_version_passes_over_what_is_here() {
    let cache = cache();
    cache.put(&"k", entry(1));
    let loaded = cache
        .get_or_load(&"k", 2, |_| async { Ok::<_, Infallible>((entry(2), Tier::L2)) })
        .await
        .unwrap();
    assert_eq!((loaded.0.version, loaded.1), (2, Tier::L2));
    assert_eq!(load(&cache, 9).await, (2, Tier::L1));
}

#[test]
fn the_bound_in_bytes_holds() {
    let cache: L1<u64, u64> = L1::new(100_000, 100);
    for key in 0..10_000 {
        cache.put(&key, Entry { version: 1, value: Arc::new(key), size_bytes: 1_000 });
    }
    let statistics = cache.statistics();
    assert!(statistics.bytes <= statistics.bytes_max, "{statistics:?}");
    assert!(statistics.entries >= 50, "{statistics:?}");
}

#[derive(Debug, Clone)]
enum Step {
    Put(u64),
    Floor(u64),
    Read,
}

proptest! {
    /// Whatever the order of writes and invalidations, what is read never goes back and is never
    /// below the highest version that was announced.
    #[test]
    fn reads_never_go_back(steps in proptest::collection::vec(
        prop_oneof![(1..50_u64).prop_map(Step::Put), (1..50_u64).prop_map(Step::Floor), Just(Step::Read)],
        1..60,
    )) {
        let cache = cache();
        let mut announced = 0;
        for step in steps {
            match step {
                Step::Put(version) => {
                    cache.put(&"k", entry(version));
                    announced = announced.max(version);
                }
                Step::Floor(version) => {
                    cache.raise_floor(&"k", version);
                    announced = announced.max(version);
                }
                Step::Read => {
                    if let Some(found) = cache.get(&"k") {
                        prop_assert_eq!(found.version, announced);
                    }
                }
            }
        }
    }
}

/// What a load is told, and what it may not undo: a version that was known before it began.
#[tokio::test]
async fn a_load_is_told_what_is_known_to_exist() {
    let cache = cache();
    cache.raise_floor(&"k", 4);
    let loads = AtomicU64::new(0);
    let load = |known| {
        // The first load asks somebody who is behind.
        let version = if loads.fetch_add(1, Ordering::SeqCst) == 0 { 3 } else { 5 };
        assert_eq!(known, 4);
        async move { Ok::<_, Infallible>((entry(version), Tier::L2)) }
    };
    assert_eq!(cache.get_or_load(&"k", 0, load).await.unwrap().0.version, 5);
    assert_eq!(cache.get(&"k").unwrap().version, 5);
}

/// Writers, invalidations and loads of a few keys in a cache that holds hardly one of them, so that
/// floors are evicted as well: no read is older than what was known when it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_race_with_invalidations_and_evictions() {
    const KEYS: usize = 4;
    let cache: Arc<L1<usize, u64>> = Arc::new(L1::new(400, 4));
    let truth: Arc<[AtomicU64; KEYS]> = Arc::default();
    let known: Arc<[AtomicU64; KEYS]> = Arc::default();
    let writer = tokio::spawn({
        let (cache, truth, known) = (cache.clone(), truth.clone(), known.clone());
        async move {
            for step in 0..20_000_usize {
                let key = step % KEYS;
                let version = truth[key].fetch_add(1, Ordering::SeqCst) + 1;
                match step % 3 {
                    0 => drop(cache.put(&key, entry(version))),
                    _ => drop(cache.raise_floor(&key, version)),
                }
                known[key].store(version, Ordering::SeqCst);
                if step % 5 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let readers = (0..3).map(|reader| {
        let (cache, truth, known) = (cache.clone(), truth.clone(), known.clone());
        tokio::spawn(async move {
            for step in 0..10_000 {
                let key = (step + reader) % KEYS;
                let least = known[key].load(Ordering::SeqCst);
                let load = |_| async {
                    let version = truth[key].load(Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>((entry(version), Tier::Store))
                };
                let (read, tier) = cache.get_or_load(&key, 0, load).await.unwrap();
                assert!(read.version >= least, "{} of {least} from {tier:?}", read.version);
            }
        })
    });
    for task in readers.chain([writer]).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[test]
fn one_who_is_late_leaves_the_slot_as_it_was() {
    let cache = cache();
    assert!(!cache.put_if(&"k", entry(5), || false));
    assert!(cache.peek(&"k").is_none());
    assert!(cache.put_if(&"k", entry(5), || true));
    assert!(!cache.put_if(&"k", entry(6), || false));
    assert!(!cache.put_if(&"k", entry(4), || true));
    assert_eq!(cache.peek(&"k").unwrap().version, 5);
}
