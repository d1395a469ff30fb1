//! What matches and players cost in memory: bytes that are allotted and not given back, counted by the
//! allocator. In a process of its own, where nobody else allots.

use std::alloc::System;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gamemesh_contracts::stats::v1 as pb;
use pb::match_event::Data;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use super::sample::BEGIN_S;
use super::world::{Client, Setting, World};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MATCHES: u64 = 6_000;
const MATCH_BYTES_MAX: u64 = 1_000;

const PLAYED: u64 = 200;
const PLAYERS: u64 = 10;
const EVENTS_A_PLAYER: u64 = 30;
const PLAYER_BYTES_MAX: u64 = 5_000;

const AT_ONCE: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_match_takes_less_than_a_kilobyte() {
    alone("an_idle_match");
}

#[test]
fn an_idle_player_takes_less_than_five_kilobytes() {
    alone("an_idle_player");
}

fn alone(measure: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("it::room::{measure}"), "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "counts what its process allots: an_idle_match_takes_less_than_a_kilobyte runs it alone"]
async fn an_idle_match() {
    let starts = (0..MATCHES).map(|number| {
        let start = pb::MatchStart { map: "harbour".into(), mode: "deathmatch".into() };
        event(number, String::new(), 0, Data::MatchStart(start))
    });
    settle_below(MATCH_BYTES_MAX, starts, MATCHES).await;
}

#[tokio::test]
#[ignore = "counts what its process allots: an_idle_player_takes_less_than_five_kilobytes runs it alone"]
async fn an_idle_player() {
    let events = (0..PLAYERS * EVENTS_A_PLAYER)
        .flat_map(|number| (0..PLAYED).map(move |of_match| action(of_match, number)));
    settle_below(PLAYER_BYTES_MAX, events, PLAYED * PLAYERS).await;
}

/// What these events add to a server comes to less than so many bytes for each of `shares`, when all is at
/// rest.
async fn settle_below(max: u64, events: impl Iterator<Item = pb::MatchEvent>, shares: u64) {
    let world = World::with(Setting::default()).await;
    let mut client = world.client().await;
    // What is made once, with the first event.
    send(&mut client, [event(u64::MAX, "first".into(), 0, Data::PlayerLeave(pb::PlayerLeave {}))])
        .await;
    let region = Region::new(ALLOCATOR);
    send(&mut client, events).await;
    let began = Instant::now();
    loop {
        let change = region.change();
        let each = change.bytes_allocated.saturating_sub(change.bytes_deallocated) as u64 / shares;
        if each < max {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{each} bytes each are not less than {max}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn send(client: &mut Client, events: impl IntoIterator<Item = pb::MatchEvent>) {
    let mut events = events.into_iter();
    let mut first = 1;
    loop {
        let events: Vec<_> = events.by_ref().take(AT_ONCE).collect();
        let count = events.len();
        if count == 0 {
            return;
        }
        let batch = pb::IngestBatchRequest {
            producer_id: format!("p{first}-{count}"),
            epoch: 1,
            first_sequence: first,
            events,
            every_result: false,
        };
        let tally = client.ingest_batch(batch).await.unwrap().into_inner().tally.unwrap();
        assert_eq!(tally.counted as usize, count, "{tally:?}");
        first += count as u64;
    }
}

/// What a player of a match does `number`th: movement and hits, some kills.
fn action(of_match: u64, number: u64) -> pb::MatchEvent {
    let name = |seat: u64| format!("player-{}", of_match * PLAYERS + seat % PLAYERS);
    let other = name(number + 3);
    let data = match number % 10 {
        0 => Data::Kill(pb::Kill { victim_id: other, weapon: "rifle".into(), headshot: true }),
        1 => Data::ItemUse(pb::ItemUse { item: "rifle".into(), quantity: None, shots: 3 }),
        n if n < 6 => Data::Damage(pb::Damage {
            target_id: other,
            weapon: "rifle".into(),
            amount: 27.0,
            shot_id: Some(number),
            ..Default::default()
        }),
        n => Data::Position(pb::Position { x: n as f64, y: 2.0, z: -(number as f64) / 64.0 }),
    };
    event(of_match, name(number / 2), number, data)
}

fn event(of_match: u64, player_id: String, number: u64, data: Data) -> pb::MatchEvent {
    let ms = number * 50;
    let (seconds, nanos) = (BEGIN_S + (ms / 1_000) as i64, (ms % 1_000) as i32 * 1_000_000);
    pb::MatchEvent {
        match_id: format!("match-{of_match}"),
        player_id,
        timestamp: Some(prost_types::Timestamp { seconds, nanos }),
        data: Some(data),
        ..Default::default()
    }
}
