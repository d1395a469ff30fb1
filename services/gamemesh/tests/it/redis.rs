//! Instances on one PostgreSQL that share a cache in Redis, and what becomes of Redis at night: no
//! read fails, none is older than it may be, and the cache is used again by itself.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how many things go wrong; `make fault-test` sets it.

mod promises;

use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::redis::{Redis, RedisCluster};
use gamemesh_testkit::{World, http};

use self::promises::Load;

const INSTANCES: usize = 2;
/// How long Redis is away or hangs.
const AWAY: Duration = Duration::from_millis(1_500);
/// Whatever is to happen has happened by then, on a busy machine too.
const LONGEST: Duration = Duration::from_secs(180);
/// Values that each instance takes from the shared cache before the next thing goes wrong.
const TAKEN_BETWEEN: f64 = 30.0;

/// Answers that a sample found older than promised.
const STALE: &str = "gamemesh_cache_stale_beyond_bound_total ";

/// What goes wrong with one server. The old copy comes last: once it is saved it comes with each start.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Dies,
    Hangs,
    IsFlushed,
    IsReplacedByAnOldCopy,
}

const TROUBLES: [Trouble; 4] =
    [Trouble::Dies, Trouble::Hangs, Trouble::IsFlushed, Trouble::IsReplacedByAnOldCopy];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_redis_cost_no_read_and_no_promise() {
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(TROUBLES.len(), |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    let redis = Arc::new(blocking(Redis::start).await);
    let studio = Studio::open(redis.url()).await;
    let load = Load::start(&studio.worlds).await;
    studio.uses_the_cache().await;
    for round in 0..rounds {
        let trouble = TROUBLES[round % TROUBLES.len()];
        let redis = redis.clone();
        blocking(move || suffer(&redis, trouble)).await;
        let began = Instant::now();
        studio.uses_the_cache().await;
        println!("{trouble:?}: used again after {:?}", began.elapsed());
    }
    let (reads, writes) = load.stop().await;
    println!("{reads} reads, {writes} writes");
    studio.told_no_lie().await;
}

/// A node is lost with all its values, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_shared_and_costs_no_read_and_no_promise() {
    let cluster = Arc::new(blocking(RedisCluster::start).await);
    let studio = Studio::open(cluster.url()).await;
    let load = Load::start(&studio.worlds).await;
    studio.uses_the_cache().await;
    let lose = |cluster: &RedisCluster| cluster.kill(1);
    let find = |cluster: &RedisCluster| cluster.start_again(1);
    for trouble in [lose, find, RedisCluster::flush] {
        // Not the last handle: the servers end with that.
        let suffers = cluster.clone();
        blocking(move || trouble(&suffers)).await;
        let began = Instant::now();
        studio.uses_the_cache().await;
        println!("used again after {:?}", began.elapsed());
    }
    let (reads, writes) = load.stop().await;
    println!("{reads} reads, {writes} writes");
    studio.told_no_lie().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_and_doctor_tell_of_redis() {
    let redis = blocking(Redis::start).await;
    let mut world =
        World::builder().services("state").env("REDIS_URL", redis.url()).build().unwrap();
    world.start().await.unwrap();
    let ready = async || http::get(&world.address(), "/ready").await.unwrap();
    let doctor = || {
        world
            .cli(&["--json", "doctor", "--http-addr", "127.0.0.1:0", "--redis-url", redis.url()])
            .unwrap()
    };
    let healthy = ready().await;
    assert_eq!((healthy.status.as_u16(), &healthy.json()["status"]), (200, &"healthy".into()));
    assert_eq!(doctor().exit, 0);
    redis.kill().unwrap();
    let began = Instant::now();
    while ready().await.json()["status"] != "degraded" {
        assert!(began.elapsed() < LONGEST, "{}", ready().await.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let degraded = ready().await;
    assert_eq!(degraded.status, 200, "{}", degraded.text());
    assert!(degraded.json()["checks"]["redis"].to_string().contains("away"), "{}", degraded.text());
    let told = doctor();
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stdout.contains("REDIS_URL"), "{told:?}");
    redis.start_again().unwrap();
    redis.command(&["CONFIG", "SET", "requirepass", "secret"]).unwrap();
    assert_eq!(doctor().exit, 1, "the password is wrong");
}

/// Something goes wrong, for as long as it takes, and is mended.
fn suffer(redis: &Redis, trouble: Trouble) -> anyhow::Result<()> {
    match trouble {
        Trouble::Dies => {
            redis.kill()?;
            std::thread::sleep(AWAY);
            redis.start_again()
        }
        Trouble::Hangs => {
            redis.pause(true)?;
            std::thread::sleep(AWAY);
            redis.pause(false)
        }
        Trouble::IsFlushed => redis.flush(),
        Trouble::IsReplacedByAnOldCopy => {
            redis.save()?;
            // Time for everything in it to become old.
            std::thread::sleep(AWAY);
            redis.kill()?;
            redis.start_again()
        }
    }
}

/// A database server and the instances on it.
struct Studio {
    _postgres: Postgres,
    worlds: Vec<World>,
}

impl Studio {
    /// Their own caches hold a few aggregates, so that most reads go to the shared one.
    async fn open(redis: &str) -> Self {
        let postgres = blocking(Postgres::start).await;
        let mut worlds = Vec::new();
        for _ in 0..INSTANCES {
            let builder = World::builder()
                .services("state")
                .database_url(postgres.url())
                .env("POSTGRES_MAX_CONNS", "12")
                .env("REDIS_URL", redis)
                .env("CACHE_BYTES", "24KiB");
            let mut world = builder.build().unwrap();
            world.start().await.unwrap();
            worlds.push(world);
        }
        Self { _postgres: postgres, worlds }
    }

    /// Waits until each instance has taken values from the shared cache, from now on.
    async fn uses_the_cache(&self) {
        for world in &self.worlds {
            let taken = async || {
                let metrics = metrics(world).await;
                ["proven", "confirmed"]
                    .map(|outcome| {
                        value(&metrics, "gamemesh_cache_shared_lookups_total", outcome)
                            .unwrap_or(0.0)
                    })
                    .iter()
                    .sum::<f64>()
            };
            let (before, began) = (taken().await, Instant::now());
            while taken().await < before + TAKEN_BETWEEN {
                assert!(began.elapsed() < LONGEST, "not used:\n{}", metrics(world).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// What the instances have found out about themselves, and what they show of Redis.
    async fn told_no_lie(&self) {
        for world in &self.worlds {
            let began = Instant::now();
            // A busy machine may have looked like a server that is away at the very end. Nobody asks it
            // any more but who wants to know.
            while value(&metrics(world).await, "gamemesh_pool_breaker_open", "redis") != Some(0.0) {
                assert!(began.elapsed() < LONGEST, "the breaker stays open");
                http::get(&world.address(), "/ready").await.unwrap();
            }
            let metrics = metrics(world).await;
            let stale = metrics.lines().find_map(|l| l.strip_prefix(STALE)).map(str::trim);
            assert_eq!(stale, Some("0"), "what the instance itself found");
            assert!(value(&metrics, "gamemesh_redis_lookups_total", "hit") > Some(0.0));
            assert_eq!(value(&metrics, "gamemesh_redis_lookups_total", "damaged"), Some(0.0));
            assert_eq!(value(&metrics, "gamemesh_pool_connections_max", "redis"), Some(100.0));
            assert!(value(&metrics, "gamemesh_pool_acquired_total", "postgres") > Some(0.0));
        }
    }
}

async fn metrics(world: &World) -> String {
    http::get(&world.address(), "/metrics").await.unwrap().text()
}

/// The value of the series that has this name and this label.
fn value(metrics: &str, name: &str, label: &str) -> Option<f64> {
    let label = format!("\"{label}\"");
    let series = metrics.lines().filter(|line| line.starts_with(name));
    let mut found =
        series.filter(|line| line[name.len()..].starts_with('{') && line.contains(&label));
    found.next_back()?.rsplit_once(' ')?.1.parse().ok()
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}
