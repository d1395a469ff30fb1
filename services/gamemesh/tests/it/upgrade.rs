//! Data of the version before each service had a log of its own: it opens, verifies, is served as it was,
//! and goes on. The fixtures were written by that version's server, which was killed right after its
//! last write, when the tables were behind the log.

use std::path::Path;
use std::process::Command;

use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{World, http};
use serde_json::{Value, json};

/// Events in each fixture: over players, a match and a guild that was deleted.
const EVENTS: u64 = 14;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

async fn get(world: &World, path: &str) -> Value {
    let answer = http::get(&world.address(), path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// `token` is what the last version answered to the write of a player, without a `JWT_SECRET`: anybody who
/// knew the store's identity could have signed it. Since stores have secrets it is refused, by name.
async fn goes_on(world: &mut World, token: &str) {
    // Nobody but its owner brings a store to another schema.
    let early = world.cli(&["--json", "log", "verify"]).unwrap();
    assert_ne!(early.exit, 0, "{early:?}");
    assert!(early.stderr.contains("gamemesh migrate"), "{early:?}");

    world.start().await.unwrap();
    let verified = world.cli(&["--json", "log", "verify", "--log", "state"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
    assert_eq!(verified.json()["events"], EVENTS);

    let signed_by_anybody = format!("/api/v1/state/player/ada?token={token}");
    let refused = http::get(&world.address(), &signed_by_anybody).await.unwrap();
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("TOKEN_INVALID"), "{}", refused.text());
    let ada = get(world, "/api/v1/state/player/ada").await;
    assert_eq!((&ada["version"], &ada["level"]), (&json!("7"), &json!(9)));
    assert_eq!(ada["inventory"]["sword"], 1);
    // This one the tables had not seen.
    let bob = get(world, "/api/v1/state/player/bob").await;
    assert_eq!((&bob["version"], &bob["level"]), (&json!("2"), &json!(10)));
    let history = world.cli(&["--json", "state", "history", "player", "ada"]).unwrap();
    assert_eq!(history.exit, 0, "{history:?}");
    assert!(history.stdout.contains("\"7\""), "{history:?}");
    let listed = get(world, "/api/v1/state/aggregates/player").await;
    let ids: Vec<&str> = listed["aggregates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["ada", "bob", "cid", "dan"]);
    let gone = http::get(&world.address(), "/api/v1/state/aggregates/guild/owls").await.unwrap();
    assert_eq!(gone.status, 404, "{}", gone.text());

    // A retry of a write of that version is recognised.
    let request = ::http::Request::builder()
        .method("PUT")
        .uri("/api/v1/state/player/dan")
        .header("content-type", "application/json")
        .header("idempotency-key", "the-first-try");
    let body = r#"{"status":"online","level":1}"#;
    let retried = http::send(&world.address(), request, body).await.unwrap();
    assert_eq!(retried.status, 200, "{}", retried.text());
    assert_eq!(retried.json()["version"], "1");

    for level in 10..13 {
        let patch = format!(r#"{{"level": {level}}}"#);
        let patched = world.cli(&["state", "patch", "player", "ada", &patch]).unwrap();
        assert_eq!(patched.exit, 0, "{patched:?}");
    }
    world.stop().await.unwrap();
    let verified = world.cli(&["--json", "log", "verify", "--log", "state"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
    assert_eq!(verified.json()["events"], EVENTS + 3);
    world.start().await.unwrap();
    assert_eq!(get(world, "/api/v1/state/player/ada").await["version"], "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_version_before_goes_on() {
    let mut world = World::builder().build().unwrap();
    let file = world.path("data/gamemesh.db");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::copy(fixture("before_one_log_per_service.db"), file).unwrap();
    goes_on(&mut world, "AQEcETCVhVVqZAAGYYM6mBKWAAAAAAAAAAABAAAAAAAAAAAADAVtDmgLSFtNUpIp2SCS1PU")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_version_before_goes_on() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let dump = fixture("before_one_log_per_service.sql");
    let loaded = Command::new("psql")
        .args([postgres.url(), "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(dump)
        .output()
        .unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let mut world = World::builder().database_url(postgres.url()).build().unwrap();
    goes_on(&mut world, "AQFEaQhtOnME4gAGYYM8DOrvAAAAAAAAAAABAAMAAAAAAAAABHF9BhPDzFvWfSoWMJzbvnY")
        .await;
}
