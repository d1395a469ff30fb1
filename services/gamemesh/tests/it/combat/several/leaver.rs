//! An owner that is told to stop: its sessions go on at the other instance at once, with all of what was
//! applied.

use std::time::Instant;

use gamemesh_contracts::combat::v1 as pb;

use super::super::player::{Player, joins};
use super::super::rest;
use super::Pair;

const SHOTS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_moves_with_all_of_it_when_its_owner_stops() {
    let mut pair = Pair::start(&[]).await;
    let session = pair.session("").await;
    let mut ada = Player::connect(&pair.worlds[0].address(), &session, joins("ada")).await;
    let mut bob = Player::connect(&pair.worlds[1].address(), &session, joins("bob")).await;
    ada.face(bob.seat()).await;
    // Answers that promise nothing: only an orderly end keeps what they say.
    for _ in 0..SHOTS {
        ada.shoot_for(bob.seat(), pb::AckClass::Applied).await.unwrap();
    }
    let [owner, other] = &mut pair.worlds;
    let began = Instant::now();
    let (stopped, ada_closed, bob_closed) =
        tokio::join!(owner.stop(), ada.is_closed(), bob.is_closed());
    assert!(stopped.unwrap().success());
    assert_eq!((ada_closed, bob_closed), (1012, 1012));
    assert!(!ada.fault.resume_token.is_empty() && !bob.fault.resume_token.is_empty());

    let ada = ada.resume(&other.address(), &session).await;
    let bob = bob.resume(&other.address(), &session).await;
    eprintln!("both are back {:?} after the order to stop", began.elapsed());
    assert!(!ada.skipped && !bob.skipped, "an event was lost");
    assert_eq!(ada.welcome.next_shot, SHOTS + 1, "a shot was lost");
    rest::verify(other, &session).await;
}
