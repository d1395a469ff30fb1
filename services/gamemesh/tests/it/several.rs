//! Three instances on one PostgreSQL, as a studio runs them, and what becomes of them at night:
//! nothing acknowledged is lost, nothing is there twice, and a watcher who goes from one instance to
//! the next sees each change once.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how many things go wrong; `make fault-test` sets it.

mod bank;
mod hot;
mod once;
mod sleeper;
mod wanderer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gamemesh_client::Client;
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::bank::Bank;
use self::hot::Hot;
use self::once::Once;
use self::wanderer::Versions;
use super::crash::{random, versions};
use super::lanes::OWNED;
use super::ledger::{self, Ledger};

const INSTANCES: usize = 3;
/// Each on documents of his own and on the one that all share.
const WRITERS_PER_INSTANCE: usize = 2;
/// A point that is not passed by then is not passed at all.
const POINT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long something hangs.
const HANG: Duration = Duration::from_secs(2);

/// A write succeeds by then, on a busy machine too.
const RECOVERED_BY: Duration = Duration::from_secs(30);

/// The aggregate that is written as soon as something is mended.
const RECOVERY: &str = "recovery";

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    InstanceDies,
    /// At a named point; the others by a signal, wherever they are.
    InstanceDiesAt(&'static str),
    InstanceHangs,
    DatabaseDies,
    DatabaseHangs,
}

const TROUBLES: [Trouble; 4] =
    [Trouble::InstanceDies, Trouble::DatabaseHangs, Trouble::InstanceHangs, Trouble::DatabaseDies];

const POINTS: [Trouble; 3] = [
    Trouble::InstanceDiesAt("postgres.before_commit"),
    Trouble::InstanceDiesAt("postgres.after_commit"),
    Trouble::InstanceDiesAt("postgres.mid_projection"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_instances_and_of_their_database_lose_nothing_and_double_nothing() {
    // Each kind, and the first one once more.
    go_wrong(&TROUBLES, TROUBLES.len() + 1, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_owners_and_of_their_database_lose_nothing_and_double_nothing() {
    go_wrong(&TROUBLES, TROUBLES.len(), &OWNED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaths_at_named_points_lose_nothing_and_double_nothing() {
    go_wrong(&POINTS, POINTS.len(), &[]).await;
}

/// These in turn, so many unless the run says how many.
async fn go_wrong(troubles: &[Trouble], rounds: usize, settings: &[(&str, &str)]) {
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(rounds, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    let mut studio = Studio::open(settings).await;
    let (tell, told) = watch::channel(Versions::new());
    let watcher = tokio::spawn(wanderer::watch(studio.urls(), told));
    let (mut hot, mut bank) = (Hot::default(), Bank::found(&studio.worlds[0]).await);

    for round in 0..rounds {
        let trouble = troubles[round % troubles.len()];
        let victim = round % INSTANCES;
        studio.prepare(trouble, victim).await;
        let writers = Writers::start(&studio, round);
        pause(300).await;
        studio.suffer(trouble, victim).await;
        let recovered = studio.recover(victim, round).await;
        pause(300).await;
        let mut written = 0;
        for (at, mut ledger, mine, transfers) in writers.stop().await {
            let dies = matches!(trouble, Trouble::InstanceDies | Trouble::InstanceDiesAt(_));
            let spared = dies && at != victim;
            assert!(!spared || !ledger.is_in_doubt(), "{} failed beside a death", ledger.name());
            written += ledger.acknowledged();
            for world in studio.worlds.iter().cycle().skip(at).take(INSTANCES) {
                ledger.go_to(world);
                ledger.check_after_death().await;
            }
            ledger.settle_what_was_pending().await;
            hot.add(mine);
            bank.add(transfers);
        }
        hot.settle(&studio.worlds[victim]).await;
        bank.settle(&studio.worlds[victim]).await;
        eprintln!("{trouble:?}: {written} writes, the next one {recovered:?} after it");
    }

    for world in &studio.worlds {
        hot.check(world).await;
        bank.check(world).await;
    }
    eprintln!("{} transfers between shared accounts", bank.transfers());
    let last = studio.worlds[0].client().await.unwrap();
    let written = newest(&last).await;
    assert_eq!(written[RECOVERY], rounds as i64);
    tell.send(written.clone()).unwrap();
    last.update_aggregate(ledger::last_word()).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(60), watcher).await.unwrap().unwrap();
    assert_eq!(seen, written, "a watcher saw something else than what was written");
    let verified = studio.worlds[0].cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
}

/// The versions in the log: a list shows what its instance has seen of the others.
async fn newest(client: &Client) -> Versions {
    let mut newest = versions(client, "world").await;
    for (id, version) in &mut newest {
        let read = client.get_aggregate(ledger::strong("world", id)).await.unwrap();
        *version = read.aggregate.unwrap().version;
    }
    newest
}

/// A database server and the instances on it.
struct Studio {
    postgres: Arc<Postgres>,
    worlds: Vec<World>,
}

impl Studio {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let postgres = blocking(Postgres::start).await;
        let mut worlds = Vec::new();
        for _ in 0..INSTANCES {
            let builder = World::builder()
                .services("state")
                .database_url(postgres.url())
                .env("POSTGRES_MAX_CONNS", "12");
            let set =
                settings.iter().fold(builder, |builder, (key, value)| builder.env(key, *value));
            let mut world = set.build().unwrap();
            world.start().await.unwrap();
            worlds.push(world);
        }
        Self { postgres: Arc::new(postgres), worlds }
    }

    fn urls(&self) -> Vec<String> {
        self.worlds.iter().map(World::url).collect()
    }

    /// Starts the victim anew with the point armed, in order, if it is to die at one.
    async fn prepare(&mut self, trouble: Trouble, victim: usize) {
        let Trouble::InstanceDiesAt(point) = trouble else { return };
        let world = &mut self.worlds[victim];
        assert!(world.stop().await.unwrap().success());
        world.set_fault(Some(format!("{point}:{}", 10 + random(20))));
        world.start().await.unwrap();
        world.set_fault(None);
    }

    /// Something goes wrong, for as long as it takes, and is mended.
    async fn suffer(&mut self, trouble: Trouble, victim: usize) {
        let postgres = self.postgres.clone();
        match trouble {
            Trouble::InstanceDies => {
                self.worlds[victim].kill9();
                pause(200).await;
                self.worlds[victim].start().await.unwrap();
            }
            Trouble::InstanceDiesAt(point) => {
                let died = self.worlds[victim].wait(POINT_TIMEOUT).await.unwrap();
                assert!(died.is_some_and(|status| !status.success()), "{point} is not passed");
                self.worlds[victim].start().await.unwrap();
            }
            Trouble::InstanceHangs => {
                self.worlds[victim].pause(true).unwrap();
                tokio::time::sleep(HANG).await;
                self.worlds[victim].pause(false).unwrap();
            }
            Trouble::DatabaseDies => {
                blocking(move || postgres.kill().and_then(|()| postgres.start_again())).await;
            }
            Trouble::DatabaseHangs => {
                postgres.pause(true).unwrap();
                tokio::time::sleep(HANG).await;
                postgres.pause(false).unwrap();
            }
        }
    }

    /// Writes at the instance that suffered; answers how long that took.
    async fn recover(&self, victim: usize, round: usize) -> Duration {
        self.recover_at(&self.worlds[victim], &format!("recovery-{round}")).await
    }

    async fn recover_at(&self, world: &World, key: &str) -> Duration {
        let began = Instant::now();
        let client = world.client().await.unwrap();
        // A database that recovers may take longer than the client's own attempts.
        loop {
            match client.update_aggregate(ledger::count_up(RECOVERY, key)).await {
                Ok(_) => return began.elapsed(),
                Err(error) if error.is_transient() && began.elapsed() < RECOVERED_BY => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("no write after the fault: {error:?}"),
            }
        }
    }
}

/// Where somebody wrote, and what.
type Written = (usize, Ledger, Hot, Bank);

/// Writers at all instances, who go on until they are stopped or a write fails.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Written>>,
}

impl Writers {
    fn start(studio: &Studio, round: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for (at, world) in studio.worlds.iter().enumerate() {
            for n in 0..WRITERS_PER_INSTANCE {
                let name = format!("{round}-{at}-{n}");
                let mut ledger = Ledger::open(world, &name);
                let mut hot = Hot::open(world, &name);
                let mut bank = Bank::open(world, &name);
                let once = Once::open(world, &name);
                let stop = stop.clone();
                tasks.push(tokio::spawn(async move {
                    tokio::join!(
                        ledger.write_until(&stop),
                        hot.write_until(&stop),
                        bank.transfer_until(&stop),
                        once.write_until(&stop),
                    );
                    (at, ledger, hot, bank)
                }));
            }
        }
        Self { stop, tasks }
    }

    async fn stop(self) -> Vec<Written> {
        self.stop.store(true, Ordering::Relaxed);
        futures::future::join_all(self.tasks).await.into_iter().map(Result::unwrap).collect()
    }
}

/// For about so long.
async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis + random(millis))).await;
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}
