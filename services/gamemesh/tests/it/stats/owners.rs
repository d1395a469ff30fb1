//! Two instances on one PostgreSQL: each lane has an owner, and an owner may sleep or die.

use std::time::{Duration, Instant};

use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;

use super::{PRODUCERS, Producer, check, client, drive};

const LEASE: &str = "2s";
/// Past the lease.
const SLEEP: Duration = Duration::from_secs(5);
const SECRET: &str = "a secret that all instances share, of some length";

/// Owners of the lanes of stats, with their epochs.
fn owners(world: &World) -> Vec<(Option<String>, i64)> {
    let ran = world.cli(&["--json", "log", "stats", "--log", "stats"]).unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    let lanes = ran.json()["lanes"].as_array().unwrap().clone();
    let owner = |lane: &serde_json::Value| {
        (lane["owner"].as_str().map(str::to_owned), lane["epoch"].as_i64().unwrap())
    };
    lanes.iter().map(owner).collect()
}

async fn shared_out(world: &World, instances: usize) {
    let began = Instant::now();
    loop {
        let owners = owners(world);
        let mut having: Vec<_> = owners.iter().filter_map(|(owner, _)| owner.clone()).collect();
        let all = having.len() == owners.len();
        having.sort_unstable();
        having.dedup();
        if all && having.len() == instances {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the lanes do not settle: {owners:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Producers at both doors for a while: half of them at each.
async fn load(worlds: &[World], producers: &mut [Producer], time: Duration) {
    let url = |number: u64| worlds[number as usize % worlds.len()].url();
    let tasks: Vec<_> =
        producers.iter().map(|p| tokio::spawn(until(url(p.number), *p, time))).collect();
    for (producer, task) in producers.iter_mut().zip(tasks) {
        *producer = task.await.unwrap();
    }
}

/// Sends for a while, whatever breaks off meanwhile.
async fn until(url: String, mut producer: Producer, time: Duration) -> Producer {
    let ends = Instant::now() + time;
    while Instant::now() < ends {
        let left = ends.saturating_duration_since(Instant::now());
        let _ = tokio::time::timeout(left, drive(&url, &mut producer)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    producer
}

async fn checked(worlds: &[World], producers: &[Producer]) {
    for world in worlds {
        let client = client(&world.url()).await.unwrap();
        for producer in producers {
            let began = Instant::now();
            // What was on its way comes to its end, and the instance follows the log of the other.
            loop {
                let point = gamemesh_client::stats_v1::GetResumePointRequest {
                    producer_id: super::name(producer.number),
                };
                let point = client.calls().get_resume_point(point).await.unwrap().into_inner();
                let late = began.elapsed().as_secs() > 20;
                let is_there = point.durable_sequence >= producer.told;
                if late
                    || is_there && {
                        let (durable, kills) = super::counted(&client, producer).await;
                        durable == kills
                    }
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            check(&client, producer).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_sleeps_or_dies_loses_nothing_and_doubles_nothing() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let world = World::builder()
            .services("stats")
            .database_url(postgres.url())
            .env("POSTGRES_MAX_CONNS", "12")
            .env("LANES", "owned")
            .env("LANE_LEASE", LEASE);
        let mut world = world.build().unwrap();
        world.start().await.unwrap();
        worlds.push(world);
    }
    shared_out(&worlds[0], 2).await;
    let mut producers: Vec<Producer> =
        (0..PRODUCERS).map(|number| Producer { number, told: 0, sent: 0 }).collect();
    load(&worlds, &mut producers, Duration::from_secs(2)).await;
    checked(&worlds, &producers).await;
    assert!(producers.iter().all(|p| p.told > 0), "nobody got anywhere");

    // It sleeps for longer than its lease, under load, and wakes.
    let before = owners(&worlds[1]);
    let asleep = worlds[0].address();
    let (first, rest) = producers.split_at_mut(2);
    let sleep = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        worlds[0].pause(true).unwrap();
        tokio::time::sleep(SLEEP).await;
        for ((owner, epoch), (was, was_epoch)) in owners(&worlds[1]).iter().zip(&before) {
            assert_ne!(owner.as_deref(), Some(&*asleep), "it has lost its lanes");
            assert!(was.as_deref() != Some(&*asleep) || epoch > was_epoch);
        }
        worlds[0].pause(false).unwrap();
    };
    let time = SLEEP + Duration::from_secs(3);
    tokio::join!(load(&worlds[..1], first, time), load(&worlds[1..], rest, time), sleep);
    shared_out(&worlds[1], 2).await;
    checked(&worlds, &producers).await;

    // It dies; the other takes over what it owned, and it comes back.
    worlds[0].kill9();
    load(&worlds[1..], &mut producers, Duration::from_secs(5)).await;
    checked(&worlds[1..], &producers).await;
    worlds[0].start().await.unwrap();
    shared_out(&worlds[1], 2).await;
    load(&worlds, &mut producers, Duration::from_secs(1)).await;
    checked(&worlds, &producers).await;
}

/// Instances show each other who they are, and what they bring each other is nobody else's to bring.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_with_a_secret_bring_each_other_events() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let world = World::builder()
            .services("stats")
            .database_url(postgres.url())
            .env("POSTGRES_MAX_CONNS", "12")
            .env("JWT_SECRET", SECRET);
        let mut world = world.build().unwrap();
        world.start().await.unwrap();
        worlds.push(world);
    }
    shared_out(&worlds[0], 2).await;
    let arguments = ["token", "--role", "game-server", "--jwt-secret", SECRET];
    let token = gamemesh_testkit::cli::run(&arguments);
    let token = token.unwrap().stdout.trim().to_owned();
    let options = gamemesh_client::ClientOptions {
        token: Some(token),
        ..gamemesh_client::ClientOptions::default()
    };
    use gamemesh_client::stats_v1 as v1;
    let events: Vec<_> = (0..40)
        .map(|n| v1::MatchEvent {
            event_id: format!("e{n}"),
            match_id: format!("m{}", n % 8),
            player_id: "a".to_owned(),
            timestamp: Some(prost_types::Timestamp { seconds: super::BEGIN_S + n, nanos: 0 }),
            data: Some(v1::match_event::Data::Kill(v1::Kill::default())),
            ..Default::default()
        })
        .collect();
    for (world, counted) in worlds.iter().zip([40, 0]) {
        let client = gamemesh_client::StatsClient::connect(&world.url(), &options).await.unwrap();
        let request = v1::IngestBatchRequest { events: events.clone(), ..Default::default() };
        let answer = client.calls().ingest_batch(request).await.unwrap().into_inner();
        let tally = answer.tally.unwrap();
        assert_eq!((tally.counted, tally.duplicates), (counted, 40 - counted));
        // A game server is no instance.
        let part = v1::IngestPartRequest::default();
        let mut request = tonic::Request::new(part);
        request.metadata_mut().insert("x-gamemesh-forwarded", "1".parse().unwrap());
        let refused = client.calls().ingest_part(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    }
}
