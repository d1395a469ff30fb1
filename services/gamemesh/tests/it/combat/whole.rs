//! A session from its creation to its replay, over a restart: the same on every store.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use serde_json::{Value, json};

use super::player::{Player, joins};
use super::tables::count;
use super::{rest, until};

const SHOTS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_on_a_file_is_recorded_replayed_and_taken_up_again() {
    let mut world = World::builder().services("combat").build().unwrap();
    play_through(&mut world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_on_postgres_is_recorded_replayed_and_taken_up_again() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let builder = World::builder().services("combat").database_url(postgres.url());
    play_through(&mut builder.build().unwrap()).await;
}

async fn play_through(world: &mut World) {
    world.start().await.unwrap();
    let session = rest::create(world, json!({"name": "final"})).await;
    let mut ada = Player::connect(&world.address(), &session, joins("ada")).await;
    let mut bob = Player::connect(&world.address(), &session, joins("bob")).await;
    ada.face(bob.seat()).await;
    let before = shoot(&mut ada, bob.seat()).await;
    bob.hear_until("the shots", |bob| fired(&bob.events) == fired_of(&before)).await;
    tables_follow(world, &session, "active", &before).await;
    let state = rest::call(world, "GET", &format!("/sessions/{session}/state"), &Value::Null).await;
    assert_eq!(state["session"]["participants"].as_array().unwrap().len(), 2);

    assert!(world.stop().await.unwrap().success());
    assert_eq!((ada.is_closed().await, bob.is_closed().await), (1012, 1012));
    assert!(!ada.fault.resume_token.is_empty() && ada.fault.retry_after_ms > 0);
    world.start().await.unwrap();

    let known = ada.last_event();
    let mut ada = ada.resume(&world.address(), &session).await;
    let bob = bob.resume(&world.address(), &session).await;
    assert!(ada.welcome.resumed && !ada.skipped, "what she knew by event {known} is still so");
    // A number that was answered is taken: the next one is new.
    assert_eq!(ada.welcome.next_shot, SHOTS as u64 + 1);
    ada.face(bob.seat()).await;
    let after = shoot(&mut ada, bob.seat()).await;
    let all = [before, after].concat();

    let ended = rest::call(world, "DELETE", &format!("/sessions/{session}"), &Value::Null).await;
    assert_eq!(ended["status"], "ended", "{ended}");
    assert_eq!(ada.is_closed().await, 4410);
    tables_follow(world, &session, "ended", &all).await;
    let events = rest::events(world, &session).await;
    rest::assert_whole(&events);
    let replayed = events.iter().filter(|event| event["fired"].is_object()).count();
    assert_eq!(replayed, fired_of(&all));
    rest::verify(world, &session).await;
    for number in 1..=all.len() {
        let path = format!("/sessions/{session}/damage/ada/{number}");
        let explained = rest::call(world, "GET", &path, &Value::Null).await;
        let reason = &all[number - 1].verdict.as_ref().unwrap().reason;
        assert_eq!(explained["verdict"]["reason"], **reason);
    }
    let player = rest::call(world, "GET", "/players/ada/stats", &Value::Null).await;
    assert_eq!(player["shots"], fired_of(&all), "{player}");
    assert!(world.stop().await.unwrap().success());
}

/// The answers to some shots, which survive whatever happens.
async fn shoot(player: &mut Player, at: u32) -> Vec<pb::CommandResult> {
    let mut results = Vec::new();
    for _ in 0..SHOTS {
        results.push(player.shoot(at).await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    results
}

fn fired_of(results: &[pb::CommandResult]) -> usize {
    results.iter().filter(|result| result.verdict.as_ref().unwrap().accepted).count()
}

fn fired(events: &[pb::CombatEvent]) -> usize {
    let is_fired =
        |event: &&pb::CombatEvent| matches!(event.event, Some(pb::combat_event::Event::Fired(_)));
    events.iter().filter(is_fired).count()
}

/// The tables come to say what players were told, and nothing twice.
async fn tables_follow(world: &World, session: &str, status: &str, results: &[pb::CommandResult]) {
    let of = format!("session_id = '{session}'");
    let shots = format!("SELECT count(*) FROM {{}}combat_events WHERE {of} AND type = 'fired'");
    let expected = fired_of(results) as i64;
    until("the rows of the shots", async || count(world, &shots).await == expected).await;
    let query = format!(
        "SELECT count(*) FROM {{}}combat_sessions WHERE id = '{session}' AND status = '{status}'"
    );
    until("the session's row", async || count(world, &query).await == 1).await;
    let query = format!("SELECT count(*) FROM {{}}combat_players WHERE {of}");
    until("the players' rows", async || count(world, &query).await == 2).await;
    let listed = rest::call(world, "GET", "/sessions?playerId=ada", &Value::Null).await;
    assert_eq!(listed["sessions"][0]["sessionId"], session, "{listed}");
    let twice =
        format!("SELECT count(*) - count(DISTINCT number) FROM {{}}combat_events WHERE {of}");
    assert_eq!(count(world, &twice).await, 0);
}
