//! Profiles of the running process.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::SECRET;
use crate::world::world;

#[inline(never)]
fn spin() {
    std::hint::black_box((0..10_000_u64).fold(0, |sum: u64, n| sum.wrapping_mul(31) ^ n));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_processor_profile_opens_in_go() {
    let world = world(&[]).await;
    let done = Arc::new(AtomicBool::new(false));
    let until = done.clone();
    let busy = std::thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            spin();
        }
    });
    let (profile, second) =
        tokio::join!(world.get("/debug/pprof/profile?seconds=1&frequency=200"), async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            world.get("/debug/pprof/profile?seconds=1").await
        });
    done.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    assert_eq!(profile.status, 200);
    assert_eq!(second.status, 429, "one profile at a time");
    let decoded: pprof_proto::Profile = prost::Message::decode(profile.body.clone()).unwrap();
    assert_eq!(decoded.sample_type.len(), 2);
    assert!(!decoded.sample.is_empty(), "a busy process has samples");
    assert!(decoded.string_table.iter().any(|name| name.contains("pprof::spin")));

    let go = Path::new("/usr/local/go/bin/go");
    if go.exists() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.pb");
        std::fs::write(&path, &profile.body).unwrap();
        let top = Command::new(go)
            .args(["tool", "pprof", "-top", path.to_str().unwrap()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&top.stdout);
        assert!(top.status.success() && text.contains("flat%"), "{top:?}");
    }
}

#[tokio::test]
async fn wrong_parameters_and_a_missing_allocator_are_told() {
    let world = world(&[]).await;
    for query in ["seconds=0", "seconds=301", "seconds=x", "seconds=1&frequency=1001"] {
        let answer = world.get(&format!("/debug/pprof/profile?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["details"][0]["reason"], "INVALID_ARGUMENT");
    }
    let heap = world.get("/debug/pprof/heap").await;
    assert_eq!(heap.status, 501);
    assert!(heap.json()["message"].as_str().unwrap().contains("--features jemalloc"));
    assert!(world.get("/debug/pprof").await.text().contains("profile"));
}

#[tokio::test]
async fn outside_development_profiles_are_closed_or_on_their_own_address() {
    let closed =
        [("environment", "production"), ("jwt-secret", SECRET), ("http-addr", "127.0.0.1:0")];
    let world = world(&closed).await;
    for path in ["/debug/pprof", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn profiles_can_have_their_own_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = world(&[("pprof-addr", &free.to_string())]).await;
    assert_eq!(world.get("/debug/pprof").await.status, 404);
    world.addr = free;
    assert_eq!(world.get("/debug/pprof").await.status, 200);
    assert_eq!(world.get("/rest").await.status, 404);
}

/// The part of pprof's `profile.proto` that the test looks at.
mod pprof_proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(super) sample_type: Vec<Pair>,
        #[prost(message, repeated, tag = "2")]
        pub(super) sample: Vec<Sample>,
        #[prost(string, repeated, tag = "6")]
        pub(super) string_table: Vec<String>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Pair {
        #[prost(int64, tag = "1")]
        pub(super) kind: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(super) location_id: Vec<u64>,
    }
}
