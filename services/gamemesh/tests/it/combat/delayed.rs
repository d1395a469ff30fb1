//! Who looks on behind a delay is never shown anything newer than that, also after the session's owner has
//! died and another process has taken it up.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_testkit::{World, cli};
use serde_json::{Value, json};

use super::player::{Player, joins};
use super::rest;

const DELAY_S: u64 = 10;
const SECRET: &str = "a secret of this server, of some length";

fn bearer(role: &str) -> String {
    let ran = cli::run(&["token", "--jwt-secret", SECRET, "--role", role]).unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    format!("Bearer {}", ran.stdout.trim())
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

fn time_us(event: &pb::CombatEvent) -> i64 {
    let time = event.time.unwrap();
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_spectator_is_behind_also_after_a_crash() {
    let builder = World::builder().services("combat").env("JWT_SECRET", SECRET);
    let mut world = builder.build().unwrap();
    world.start().await.unwrap();
    let (admin, spectator) = (bearer("admin"), bearer("spectator"));
    let policy = json!({"spectatorDelayS": DELAY_S, "idleGraceS": 600, "autoStartPlayers": 2});
    let session = rest::create_as(&world, &admin, json!({"policy": policy})).await;
    let address = world.address();
    let header = [("authorization", admin.as_str())];
    let mut ada = Player::open(&address, &session, joins("ada"), &header).await;
    ada.hear_until("a welcome", |ada| ada.welcome.session.is_some()).await;
    let mut bob = Player::open(&address, &session, joins("bob"), &header).await;
    bob.hear_until("a welcome", |bob| bob.welcome.session.is_some()).await;
    ada.face(bob.seat()).await;
    shoot_for(&mut ada, bob.seat(), Duration::from_secs(2)).await;

    world.kill9();
    world.start().await.unwrap();
    let taken_up = Instant::now();
    // Players are with the present at once; whoever looks on is not.
    let mut ada = back(&ada, &address, &session, &header).await;
    let _bob = back(&bob, &address, &session, &header).await;
    let hello = pb::Hello { spectate: true, ..pb::Hello::default() };
    let looks_on = [("authorization", spectator.as_str())];
    let mut onlooker = Player::open(&address, &session, hello, &looks_on).await;
    onlooker.hear_until("a welcome", |onlooker| onlooker.welcome.session.is_some()).await;
    assert_eq!(onlooker.welcome.delay_s, DELAY_S as u32);
    assert_eq!(onlooker.welcome.session.as_ref().unwrap().event_seq, 0, "it tells the present");
    let state = format!("/sessions/{session}/state");
    let state = rest::call_as(&world, &spectator, "GET", &state, &Value::Null).await;
    assert!(state.get("snapshot").is_none_or(Value::is_null), "{state}");

    ada.face(_bob.seat()).await;
    let mut shown = 0;
    while onlooker.pictures.len() < 5 {
        ada.shoot(_bob.seat()).await.unwrap();
        onlooker.hear_for(Duration::from_millis(200)).await;
        assert!(onlooker.closed.is_none(), "{:?}", onlooker.fault);
        // All of it was taken in by now.
        let now = now_us();
        let behind = |event: &pb::CombatEvent| time_us(event) + DELAY_S as i64 * 1_000_000 <= now;
        assert!(onlooker.events.iter().all(behind), "an event came too soon");
        for (_, tick) in &onlooker.pictures[shown..] {
            // Whatever happened up to the tick of a picture is as old as the picture must be.
            let known = ada.events.iter().filter(|event| event.tick <= *tick);
            assert!(known.into_iter().all(behind), "the picture of tick {tick} came too soon");
        }
        shown = onlooker.pictures.len();
        assert!(taken_up.elapsed() < super::PATIENCE, "nothing is shown");
    }
    assert!(taken_up.elapsed() >= Duration::from_secs(DELAY_S), "{:?}", taken_up.elapsed());
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
    let mut back = Player::open(address, session, hello, header).await;
    back.hear_until("a welcome", |back| back.welcome.session.is_some()).await;
    back
}

async fn shoot_for(player: &mut Player, other: u32, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        player.shoot(other).await.unwrap();
        player.hear_for(Duration::from_millis(100)).await;
    }
}
