//! Who looks on behind a delay is never shown anything newer than that, also after the session's owner has
//! died and another process has taken it up.

use std::time::{Duration, Instant, UNIX_EPOCH};

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{World, cli};
use serde_json::{Value, json};

use super::player::{Player, joins};
use super::rest;
use crate::it::lanes::OWNED;

const DELAY_S: u64 = 10;
const SECRET: &str = "a secret of this server, of some length";

fn bearer(role: &str) -> String {
    let ran = cli::run(&["token", "--jwt-secret", SECRET, "--role", role]).unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    format!("Bearer {}", ran.stdout.trim())
}

fn time_us(event: &pb::CombatEvent) -> i64 {
    let time = event.time.unwrap();
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

fn world(url: Option<&str>) -> World {
    let builder = World::builder().services("combat").env("JWT_SECRET", SECRET);
    let builder = match url {
        Some(url) => builder.database_url(url).env("POSTGRES_MAX_CONNS", "12"),
        None => builder,
    };
    let set = OWNED.iter().fold(builder, |builder, (key, value)| builder.env(key, *value));
    set.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_spectator_is_behind_also_after_a_crash() {
    let mut world = world(None);
    world.start().await.unwrap();
    let world = Owners { first: world, second: None };
    is_behind(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_spectator_is_behind_also_after_a_take_over() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let mut first = world(Some(postgres.url()));
    // It has all lanes, and so the session, before there is another.
    first.start().await.unwrap();
    is_behind(Owners { first, second: Some(world(Some(postgres.url()))) }).await;
}

/// Who owns the session at first, and who takes it up: the same instance again if there is no other.
struct Owners {
    first: World,
    second: Option<World>,
}

impl Owners {
    async fn change(self) -> World {
        let Self { mut first, second } = self;
        first.kill9();
        let mut next = second.unwrap_or(first);
        next.start().await.unwrap();
        next
    }
}

async fn is_behind(owners: Owners) {
    let world = &owners.first;
    let (admin, spectator) = (bearer("admin"), bearer("spectator"));
    let policy = json!({"spectatorDelayS": DELAY_S, "idleGraceS": 600, "autoStartPlayers": 2});
    let session = rest::create_as(world, &admin, json!({"policy": policy})).await;
    let address = world.address();
    let header = [("authorization", admin.as_str())];
    let mut ada = Player::open(&address, &session, joins("ada"), &header).await;
    ada.hear_until("a welcome", |ada| ada.welcome.session.is_some()).await;
    let mut bob = Player::open(&address, &session, joins("bob"), &header).await;
    bob.hear_until("a welcome", |bob| bob.welcome.session.is_some()).await;
    ada.face(bob.seat()).await;
    shoot_for(&mut ada, bob.seat(), Duration::from_secs(2)).await;

    let world = owners.change().await;
    let address = world.address();
    // Players are with the present at once; whoever looks on is not.
    let mut ada = back(&ada, &address, &session, &header).await;
    let taken_up = Instant::now();
    let bob = back(&bob, &address, &session, &header).await;
    let hello = pb::Hello { spectate: true, ..pb::Hello::default() };
    let looks_on = [("authorization", spectator.as_str())];
    let mut onlooker = Player::open(&address, &session, hello, &looks_on).await;
    onlooker.hear_until("a welcome", |onlooker| onlooker.welcome.session.is_some()).await;
    assert_eq!(onlooker.welcome.delay_s, DELAY_S as u32);
    assert_eq!(onlooker.welcome.session.as_ref().unwrap().event_seq, 0, "it tells the present");
    let state = format!("/sessions/{session}/state");
    let state = rest::call_as(&world, &spectator, "GET", &state, &Value::Null).await;
    assert!(state.get("snapshot").is_none_or(Value::is_null), "{state}");

    ada.face(bob.seat()).await;
    while onlooker.pictures.len() < 5 {
        ada.shoot(bob.seat()).await.unwrap();
        let (mut events, mut pictures) = (onlooker.events.len(), onlooker.pictures.len());
        let until = tokio::time::Instant::now() + Duration::from_millis(200);
        while tokio::time::timeout_at(until, onlooker.hear()).await.is_ok() {
            assert!(onlooker.closed.is_none(), "{:?}", onlooker.fault);
            let arrived = onlooker.arrived.duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
            let behind =
                |event: &pb::CombatEvent| time_us(event) + DELAY_S as i64 * 1_000_000 <= arrived;
            assert!(onlooker.events[events..].iter().all(behind), "an event came too soon");
            for tick in &onlooker.pictures[pictures..] {
                // Whatever happened up to the tick of a picture is as old as the picture must be.
                let mut known = ada.events.iter().filter(|event| event.tick <= *tick);
                assert!(known.all(behind), "the picture of tick {tick} came too soon");
            }
            (events, pictures) = (onlooker.events.len(), onlooker.pictures.len());
        }
        assert!(taken_up.elapsed() < super::PATIENCE, "nothing is shown");
    }
    // A replay ends where the delay does.
    let path = format!("/sessions/{session}/replay?eventsOnly=true");
    let headers = [("authorization", spectator.as_str()), ("accept", "application/x-ndjson")];
    let replayed = rest::send(&world, &headers, "GET", &path, &Value::Null).await.text();
    let end: Value = serde_json::from_str(replayed.lines().last().unwrap()).unwrap();
    assert!(end["end"]["reason"].as_str().unwrap().contains("may not see further"), "{end}");
}

async fn back(
    player: &Player,
    address: &str,
    session: &str,
    header: &[(&'static str, &str)],
) -> Player {
    let hello = pb::Hello {
        resume_token: player.welcome.resume_token.clone(),
        last_event_seq: player.last_event(),
        ..pb::Hello::default()
    };
    let began = Instant::now();
    loop {
        let mut back = Player::open(address, session, hello.clone(), header).await;
        while back.closed.is_none() && back.welcome.session.is_none() {
            back.hear().await;
        }
        if back.closed.is_none() {
            return back;
        }
        // The lease of who has died goes on for a moment.
        assert!(began.elapsed() < super::PATIENCE, "nobody takes it up: {:?}", back.fault);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn shoot_for(player: &mut Player, other: u32, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        player.shoot(other).await.unwrap();
        player.hear_for(Duration::from_millis(100)).await;
    }
}
