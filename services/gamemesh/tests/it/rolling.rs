//! Three instances that are restarted one after the other, as a release is rolled out, while players go
//! on: no request fails, nothing is lost or there twice, and a watcher sees each change once.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how many instances are restarted; `make fault-test` sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gamemesh_client::{Client, ClientOptions, v1};
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use tokio::task::JoinHandle;

use super::crash::{versions, watch};
use super::lanes::OWNED;
use super::ledger::{self, Ledger, count_up, number_of};

const INSTANCES: usize = 3;
const WRITERS: usize = 4;
const READERS: usize = 2;
/// Restarts in a run that does not say how many: each instance once.
const RESTARTS: usize = INSTANCES;
/// Calls that succeed between two restarts, so that each instance has its share again.
const CALLS_BETWEEN: u32 = 200;

/// The aggregate that all write and read.
const HOT: &str = "hot";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_are_restarted_under_load_and_not_one_request_fails() {
    restart(&[]).await;
}

/// Lanes move with every one that goes and comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_are_restarted_under_load_and_not_one_request_fails() {
    restart(&OWNED).await;
}

async fn restart(settings: &[(&str, &str)]) {
    let restarts = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(RESTARTS, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..INSTANCES {
        let builder = World::builder()
            .services("state")
            .database_url(postgres.url())
            .env("POSTGRES_MAX_CONNS", "12");
        let set = settings.iter().fold(builder, |builder, (key, value)| builder.env(key, *value));
        let mut world = set.build().unwrap();
        world.start().await.unwrap();
        worlds.push(world);
    }
    let urls: Vec<String> = worlds.iter().map(World::url).collect();
    let client = Client::connect_any(&urls, ClientOptions::default()).await.unwrap();
    let watcher = tokio::spawn(watch(client.clone()));
    let load = Load::start(&client);

    for restart in 0..restarts {
        load.goes_on().await;
        let world = &mut worlds[restart % INSTANCES];
        let began = Instant::now();
        let status = world.stop().await.unwrap();
        eprintln!("an instance took {:?} to drain", began.elapsed());
        assert_eq!(status.code(), Some(0));
        world.start().await.unwrap();
    }
    load.goes_on().await;

    let (ledgers, hot) = load.stop().await;
    for mut ledger in ledgers {
        assert!(!ledger.is_in_doubt(), "a write of {} failed", ledger.name());
        for world in &worlds {
            ledger.go_to(world);
            ledger.check_after_death().await;
        }
    }
    for world in &worlds {
        let log = std::fs::read_to_string(world.path("server.log")).unwrap();
        assert!(!log.contains("drain timeout"), "calls were cut off:\n{log}");
    }
    client.update_aggregate(ledger::last_word()).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(60), watcher).await.unwrap().unwrap();
    let mut written = versions(&client, "world").await;
    written.remove(ledger::LAST_WORD);
    assert_eq!(written[HOT], i64::from(hot), "additions are lost or doubled");
    assert_eq!(seen, written, "a watcher saw something else than what was written");
    let verified = worlds[0].cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
}

/// Players who go on until they are told to stop; one request that fails ends them.
struct Load {
    stop: Arc<AtomicBool>,
    /// Additions to the hot aggregate that were acknowledged.
    hot: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
    writers: Vec<JoinHandle<Ledger>>,
    players: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client) -> Self {
        let (stop, hot, calls) = <(Arc<AtomicBool>, Arc<AtomicU32>, Arc<AtomicU32>)>::default();
        let mut load = Self { stop, hot, calls, writers: Vec::new(), players: Vec::new() };
        for n in 0..WRITERS {
            let mut ledger = Ledger::over(client.clone(), &format!("writer-{n}"));
            let stop = load.stop.clone();
            load.writers.push(tokio::spawn(async move {
                ledger.write_until(&stop).await;
                ledger
            }));
            let (client, stop) = (client.clone(), load.stop.clone());
            let (hot, calls) = (load.hot.clone(), load.calls.clone());
            load.players.push(tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    client.update_aggregate(count_up(HOT, &format!("{n}-{number}"))).await.unwrap();
                    hot.fetch_add(1, Ordering::SeqCst);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        for _ in 0..READERS {
            let (client, stop) = (client.clone(), load.stop.clone());
            let (hot, calls) = (load.hot.clone(), load.calls.clone());
            load.players.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let least = hot.load(Ordering::SeqCst);
                    assert!(read(&client).await >= f64::from(least), "a write is not read");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        load
    }

    /// Waits until so many more calls have succeeded, or one has failed.
    async fn goes_on(&self) {
        let enough = self.calls.load(Ordering::Relaxed) + CALLS_BETWEEN;
        while self.calls.load(Ordering::Relaxed) < enough {
            let ended = self.players.iter().any(JoinHandle::is_finished)
                || self.writers.iter().any(JoinHandle::is_finished);
            assert!(!ended, "a request failed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Answers the ledgers, and how often the hot aggregate was added to.
    async fn stop(self) -> (Vec<Ledger>, u32) {
        self.stop.store(true, Ordering::Relaxed);
        for player in self.players {
            player.await.unwrap();
        }
        let ledgers = futures::future::join_all(self.writers).await;
        let ledgers = ledgers.into_iter().map(Result::unwrap).collect();
        (ledgers, self.hot.load(Ordering::SeqCst))
    }
}

/// The count of the hot aggregate, with the token of what this client has written.
async fn read(client: &Client) -> f64 {
    let request =
        v1::GetAggregateRequest { r#type: "world".into(), id: HOT.into(), ..Default::default() };
    match client.get_aggregate(request).await {
        Ok(answer) => number_of(&answer.aggregate.unwrap().state.unwrap().fields["count"]),
        Err(error) => {
            assert_eq!(error.reason, "NOT_FOUND", "{error}");
            0.0
        }
    }
}
