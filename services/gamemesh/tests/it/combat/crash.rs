//! kill -9 in a running match. The checker knows only what players were told: what was answered as durable
//! is there, whoever comes back has exactly what he missed, and nothing happened twice.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how often the server dies; `make fault-test` sets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::player::Player;
use super::{PATIENCE, rest};
use crate::it::crash::random;
use crate::it::lanes::OWNED;

/// Deaths in a run that does not say how many.
const ROUNDS: usize = 5;

/// Answers that are asked for again, about.
const EXPLAINED: usize = 50;

/// Where the server dies; `None`: at a random moment, by SIGKILL.
const SQLITE: [Option<&str>; 3] = [None, Some("sqlite.before_commit"), Some("sqlite.after_commit")];
const POSTGRES: [Option<&str>; 3] =
    [None, Some("postgres.before_commit"), Some("postgres.after_commit")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_on_a_file_outlives_the_deaths_of_its_server() {
    let world = World::builder().services("combat").build().unwrap();
    die_again_and_again(vec![world], &SQLITE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_on_postgres_outlives_the_deaths_of_its_server() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    die_again_and_again(vec![instance(&postgres)], &POSTGRES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_on_two_instances_outlives_the_deaths_of_either() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    die_again_and_again(vec![instance(&postgres), instance(&postgres)], &POSTGRES).await;
}

/// With a lease that a test can wait for.
fn instance(postgres: &Postgres) -> World {
    let builder = World::builder()
        .services("combat")
        .database_url(postgres.url())
        .env("POSTGRES_MAX_CONNS", "12");
    let set = OWNED.iter().fold(builder, |builder, (key, value)| builder.env(key, *value));
    set.build().unwrap()
}

/// What players were told.
#[derive(Default)]
struct Told {
    /// The answers that survive, by the number of the shot of each player.
    durable: BTreeMap<(String, u64), pb::CommandResult>,
    /// Number of the newest event that such an answer names.
    last_durable: u64,
    /// The events, by number, as far as they are durable or were repeated to who came back.
    events: BTreeMap<u64, pb::CombatEvent>,
}

/// The instances die in turn; each player is at one of them, and comes back to another.
async fn die_again_and_again(mut worlds: Vec<World>, points: &[Option<&str>]) {
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(ROUNDS, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    for world in &mut worlds {
        world.start().await.unwrap();
    }
    let session = rest::create(&worlds[0], json!({})).await;
    let mut players = Vec::new();
    for (at, name) in ["ada", "bob"].into_iter().enumerate() {
        // The session may move while the second instance gets its lanes.
        let player = Player::joined(&worlds[at % worlds.len()].address(), &session, name).await;
        players.push(player);
    }
    let mut told = Told::default();
    for round in 0..rounds {
        let seats = [players[1].seat(), players[0].seat()];
        let stop = Arc::new(AtomicBool::new(false));
        let shooting: Vec<JoinHandle<Player>> = std::mem::take(&mut players)
            .into_iter()
            .zip(seats)
            .map(|(player, other)| tokio::spawn(shoot_until_cut(player, other, stop.clone())))
            .collect();
        let victim = round % worlds.len();
        let pause = Duration::from_millis(400 + random(800));
        if worlds[victim].wait(pause).await.unwrap().is_none() {
            worlds[victim].kill9();
        }
        // Who is at another instance goes on there, or is told to come back.
        stop.store(true, Ordering::Relaxed);
        for player in shooting {
            let player = player.await.unwrap();
            told.take(&player);
            players.push(player);
        }
        // The point of the next death: it may be passed before anybody is there.
        let point = points[round % points.len()];
        let world = &mut worlds[victim];
        world.set_fault(point.map(|point| format!("{point}:{}", 8 + random(30))));
        if world.start().await.is_err() {
            world.set_fault(None);
            world.start().await.unwrap();
        }
        let mut back = Vec::new();
        for player in players {
            back.push(come_back(&mut worlds, player, &session, &told).await);
        }
        players = back;
        eprintln!("round {round} at {point:?}: {} answers", told.durable.len());
    }
    for world in &mut worlds {
        world.kill9();
        world.set_fault(None);
        world.start().await.unwrap();
    }
    for world in &worlds {
        told.check(world, &session).await;
    }
}

/// Shoots until the server is gone, or somebody's is.
async fn shoot_until_cut(mut player: Player, other: u32, stop: Arc<AtomicBool>) -> Player {
    if !player.try_face(other).await {
        return player;
    }
    while !stop.load(Ordering::Relaxed) && player.shoot(other).await.is_some() {
        player.hear_for(Duration::from_millis(20 + random(60))).await;
    }
    player
}

/// Comes back, though the server may die again meanwhile.
async fn come_back(worlds: &mut [World], player: Player, session: &str, told: &Told) -> Player {
    let known = player.last_event();
    let (seat, token) = (player.welcome.seat, player.welcome.resume_token.clone());
    let began = Instant::now();
    let back = loop {
        assert!(began.elapsed() < PATIENCE, "nobody takes the session up");
        for world in &mut *worlds {
            if world.wait(Duration::ZERO).await.unwrap().is_some() {
                world.set_fault(None);
                world.start().await.unwrap();
            }
        }
        let world = &worlds[random(worlds.len() as u64) as usize];
        if let Some(back) = player.try_resume(&world.address(), session).await {
            break back;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(back.welcome.seat, seat, "another seat for {token}");
    // What was told and was not durable may be void; then it is said so.
    let may_be_void = known > told.last_durable;
    assert!(!back.skipped || may_be_void, "event {known} is known, {} durable", told.last_durable);
    let highest = told.highest_shot(&back.name());
    assert!(back.welcome.next_shot > highest, "{} after {highest}", back.welcome.next_shot);
    back
}

impl Told {
    fn take(&mut self, player: &Player) {
        for result in &player.results {
            let verdict = result.verdict.as_ref().unwrap();
            if verdict.kind == "shot" && result.ack() == pb::AckClass::Durable {
                self.last_durable = self.last_durable.max(result.event_seq);
                self.durable.insert((verdict.player_id.clone(), verdict.number), result.clone());
            }
        }
        let durable = player.events.iter().filter(|event| event.seq <= self.last_durable);
        for event in durable {
            let known = self.events.entry(event.seq).or_insert_with(|| event.clone());
            assert_eq!(known, event, "two players were told different things");
        }
    }

    fn highest_shot(&self, player: &str) -> u64 {
        let of = self.durable.keys().filter(|(name, _)| name == player);
        of.map(|(_, number)| *number).max().unwrap_or(0)
    }

    /// All of it is in the log, and the log holds.
    async fn check(&self, world: &World, session: &str) {
        assert!(self.durable.len() > 10, "nobody got anywhere: {}", self.durable.len());
        // Each that was accepted is in the replay; of all of them some are asked for by themselves.
        let every = (self.durable.len() / EXPLAINED).max(1);
        for ((player, number), result) in self.durable.iter().step_by(every) {
            let path = format!("/sessions/{session}/damage/{player}/{number}");
            let explained = rest::call(world, "GET", &path, &Value::Null).await;
            let reason = &result.verdict.as_ref().unwrap().reason;
            assert_eq!(explained["verdict"]["reason"], **reason, "{player} {number}");
        }
        rest::verify(world, session).await;
        let asked = pb::ReplaySessionRequest {
            session_id: session.to_owned(),
            events_only: true,
            ..Default::default()
        };
        let mut service = rest::service(world).await;
        let mut frames = service.replay_session(asked).await.unwrap().into_inner();
        let mut recorded = Vec::new();
        while let Some(answer) = frames.message().await.unwrap() {
            recorded.extend(answer.frame.unwrap_or_default().events);
        }
        let numbers: Vec<u64> = recorded.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        assert!(recorded.len() as u64 >= self.last_durable);
        let fired: BTreeSet<(String, u64)> = recorded
            .iter()
            .filter_map(|event| match &event.event {
                Some(pb::combat_event::Event::Fired(fired)) => {
                    Some((fired.player_id.clone(), fired.shot))
                }
                _ => None,
            })
            .collect();
        for (shot, result) in &self.durable {
            let accepted = result.verdict.as_ref().unwrap().accepted;
            assert_eq!(fired.contains(shot), accepted, "{shot:?} after the deaths");
        }
        for (number, event) in &self.events {
            assert_eq!(&recorded[*number as usize - 1].event, &event.event, "event {number}");
        }
    }
}
