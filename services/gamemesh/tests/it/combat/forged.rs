//! Resume tokens that were not given away: the identity of the store, which every event carries to the
//! bus, does not suffice to make one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_repository::LogName;
use gamemesh_testkit::World;
use serde_json::json;

use super::player::Player;
use super::rest;

/// What keys combat's own tokens where the operator says so.
const SECRET: &str = "a secret of combat alone, of some length";

/// A token as the service makes it, for whoever knows this secret.
fn forged(store: &[u8; 16], secret: &str, session: &str, player: &str) -> String {
    let until = SystemTime::now() + Duration::from_secs(3_600);
    let until_us = until.duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let mut bytes = vec![2, 1];
    bytes.extend(until_us.to_be_bytes());
    bytes.extend(format!("{session}\0{}\0{player}", 1).bytes());
    let mut key = blake3::Hasher::new_derive_key("gamemesh combat tokens, format 1");
    key.update(store).update(secret.as_bytes());
    let mac = blake3::keyed_hash(key.finalize().as_bytes(), &bytes);
    bytes.extend(&mac.as_bytes()[..16]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Who comes back with this token, and is somebody.
async fn comes_back(world: &World, session: &str, resume_token: String) -> Option<u32> {
    let hello = pb::Hello { resume_token, ..pb::Hello::default() };
    let mut player = Player::open(&world.address(), session, hello, &[]).await;
    while player.closed.is_none() && player.welcome.session.is_none() {
        player.hear().await;
    }
    player.welcome.seat
}

/// Whether knowing this secret is enough to be a player who has a seat.
async fn is_believed(settings: &[(&str, &str)], secret: &str) -> bool {
    let builder = World::builder().services("combat");
    let set = settings.iter().fold(builder, |builder, (key, value)| builder.env(key, *value));
    let mut world = set.build().unwrap();
    world.start().await.unwrap();
    let session = rest::create(&world, json!({})).await;
    let ada = Player::joined(&world.address(), &session, "ada").await;
    let store = gamemesh_backends::open_read_only(&world.database_url(), LogName::Combat).await;
    let store = store.unwrap().log.incarnation().0;
    let token = forged(&store, secret, &session, "ada");
    let seat = comes_back(&world, &session, token).await;
    // What was given away is good, also after a restart.
    let given = ada.welcome.resume_token.clone();
    assert_eq!(comes_back(&world, &session, given.clone()).await, ada.welcome.seat);
    drop(ada);
    world.kill9();
    world.start().await.unwrap();
    assert!(comes_back(&world, &session, given).await.is_some(), "the token outlives the process");
    seat.is_some()
}

#[tokio::test]
async fn who_knows_the_store_and_not_its_secret_makes_no_tokens() {
    assert!(!is_believed(&[], "").await);
    let set = [("COMBAT_RESUME_SECRET", SECRET)];
    assert!(is_believed(&set, SECRET).await, "tokens are made otherwise by now: mend this test");
    assert!(!is_believed(&set, "").await);
}
