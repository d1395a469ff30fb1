//! Announcements that go wrong.

use std::sync::Arc;

use gamemesh_cache::{Announcement, BroadcastEvent, L2};
use gamemesh_testkit::redis::Redis;

use super::server::{blocking, hear, listening, open, patient, store};

fn announcement(number: u64) -> Announcement {
    Announcement { lane: 3, after: number - 1, to: number, payload: number.to_string().into() }
}

fn announced(number: u64) -> BroadcastEvent {
    BroadcastEvent::Announced(Arc::new(announcement(number)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_may_have_been_anything() {
    let (server, store) = (super::server::server().await, store());
    let (one, other) = (open(server.url(), store, patient()), open(server.url(), store, patient()));
    listening(&other).await;
    let mut listener = other.subscribe();
    one.announce(announcement(1)).await.unwrap();
    assert_eq!(hear(&mut listener).await, announced(1));
    let channel = super::server::name(store, "").replace("/}", "}:news");
    assert_eq!(server.command(&["PUBLISH", &channel, "nonsense"]).unwrap().trim(), "2");
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Interrupted);
    one.announce(announcement(2)).await.unwrap();
    assert_eq!(hear(&mut listener).await, announced(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_that_was_not_heard_is_missed() {
    let server = blocking(|| Redis::start().unwrap()).await;
    let store = store();
    let (one, other) = (open(server.url(), store, patient()), open(server.url(), store, patient()));
    listening(&other).await;
    let mut listener = other.subscribe();
    one.announce(announcement(1)).await.unwrap();
    assert_eq!(hear(&mut listener).await, announced(1));
    // It fails on its way; the connection of the listener stays.
    server.command(&["ACL", "SETUSER", "default", "-publish"]).unwrap();
    one.announce(announcement(2)).await.unwrap_err();
    server.command(&["ACL", "SETUSER", "default", "+publish"]).unwrap();
    one.announce(announcement(3)).await.unwrap();
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Interrupted);
    assert_eq!(hear(&mut listener).await, announced(3));
    assert!(other.statistics().is_listening);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_leaves_a_server_that_stands_still() {
    let server = blocking(|| Redis::start().unwrap()).await;
    let cache = open(server.url(), store(), patient());
    listening(&cache).await;
    let mut listener = cache.subscribe();
    server.pause(true).unwrap();
    super::server::until("it notices", async || !cache.statistics().is_listening).await;
    server.pause(false).unwrap();
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Interrupted);
    listening(&cache).await;
}
