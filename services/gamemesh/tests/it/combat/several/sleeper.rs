//! An owner that is held still for longer than its lease, and wakes: it can write, show and publish
//! nothing more.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::player::{Player, joins};
use super::super::tables::count;
use super::super::{rest, until};
use super::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_slept_past_its_lease_is_done_with_the_session() {
    let pair = Pair::start(&[]).await;
    let [owner, other] = &pair.worlds;
    let session = pair.session("").await;
    let mut ada = Player::connect(&owner.address(), &session, joins("ada")).await;
    let mut bob = Player::connect(&other.address(), &session, joins("bob")).await;
    let first_epoch = ada.welcome.session.as_ref().unwrap().epoch;
    ada.face(bob.seat()).await;
    let mut durable = Vec::new();
    for _ in 0..3 {
        durable.push(ada.shoot(bob.seat()).await.unwrap());
    }
    bob.hear_until("what happened", |bob| bob.last_event() >= ada.last_event()).await;

    owner.pause(true).unwrap();
    let slept = Instant::now();
    // Whoever is connected through the other instance is told that the session moves.
    assert_eq!(bob.is_closed().await, 1012, "{:?}", bob.fault);
    assert!(!bob.fault.resume_token.is_empty() && bob.fault.retry_after_ms > 0);
    // The first call takes the session up from its log.
    let mut bob = bob.resume(&other.address(), &session).await;
    let taken_over = slept.elapsed();
    eprintln!("taken over {taken_over:?} after the owner was held still");
    assert!(!bob.skipped, "an event was lost");
    let present = rest::get(other, &session).await;
    let epoch: u64 = present["epoch"].as_str().unwrap().parse().unwrap();
    assert!(epoch > first_epoch, "{epoch} after {first_epoch}");
    // The new owner's events, beside which the old one's would be seen.
    bob.face(ada.seat()).await;
    for _ in 0..3 {
        durable.push(bob.shoot(ada.seat()).await.unwrap());
    }

    ada.hear_for(Duration::from_secs(1)).await;
    let (shown, known) = (ada.pictures.len(), ada.last_event());
    owner.pause(false).unwrap();
    assert_eq!(ada.is_closed().await, 1012, "{:?}", ada.fault);
    assert_eq!((ada.pictures.len(), ada.last_event()), (shown, known), "it showed something");
    let lost = "combat_sessions_lost_total";
    until("the session is given up", async || rest::metric(owner, lost).await >= 1.0).await;

    // Who was there goes on at either instance, with exactly what she missed, once the lanes are shared out
    // again.
    pair.settled().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut ada = ada.resume(&owner.address(), &session).await;
    assert!(!ada.skipped && ada.welcome.resumed);
    let last = bob.last_event();
    ada.hear_until("what she missed", |ada| ada.last_event() >= last).await;
    ada.face(bob.seat()).await;
    durable.push(ada.shoot(bob.seat()).await.unwrap());

    rest::call(owner, "DELETE", &format!("/sessions/{session}"), &json!(null)).await;
    rest::assert_whole(&rest::events(other, &session).await);
    for world in &pair.worlds {
        rest::verify(world, &session).await;
    }
    let accepted = durable.iter().filter(|result| result.verdict.as_ref().unwrap().accepted);
    let accepted = accepted.count() as i64;
    let shots = format!(
        "SELECT count(*) FROM {{}}combat_events WHERE session_id = '{session}' AND type = 'fired'"
    );
    until("the rows of the shots", async || count(other, &shots).await == accepted).await;
    let verified = other.cli(&["--json", "log", "verify", "--log", "combat"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
}
