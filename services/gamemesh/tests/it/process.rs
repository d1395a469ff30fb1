//! The process: start, stop, migrate, doctor, token, threads.

use std::collections::BTreeSet;

use gamemesh_client::{ClientOptions, v1};
use gamemesh_testkit::{World, cli, http};

#[tokio::test]
async fn acknowledged_writes_survive_an_orderly_stop() {
    let mut world = World::standalone().await.unwrap();
    assert_eq!(http::get(&world.address(), "/ready").await.unwrap().status, 200);
    world.cli(&["state", "put", "guild", "g", r#"{"level": 4}"#]).unwrap();
    let status = world.stop().await.unwrap();
    assert_eq!(status.code(), Some(0));
    world.start().await.unwrap();
    let got = world.cli(&["--json", "state", "get", "guild", "g"]).unwrap().json();
    assert_eq!(got["state"]["level"], 4.0);
}

#[tokio::test]
async fn a_second_server_on_the_same_store_is_refused() {
    let first = World::standalone().await.unwrap();
    let second =
        cli::run(&["serve", "--http-addr", "127.0.0.1:0", "--database-url", &first.database_url()])
            .unwrap();
    assert_ne!(second.exit, 0);
    assert!(second.stderr.contains("in use"), "{second:?}");
}

#[tokio::test]
async fn migrate_makes_a_store_and_says_so_once() {
    let world = World::builder().build().unwrap();
    let first = world.cli(&["--json", "migrate"]).unwrap();
    assert_eq!(first.exit, 0, "{first:?}");
    assert_eq!(first.json()["from"], 0);
    let again = world.cli(&["--json", "migrate"]).unwrap().json();
    assert_eq!(again["from"], again["to"]);
}

#[tokio::test]
async fn the_log_can_be_verified_beside_its_server_and_damage_is_found() {
    let mut world = World::standalone().await.unwrap();
    for n in 0..20 {
        world.cli(&["state", "put", "guild", &format!("g{n}"), r#"{"motto": "onward"}"#]).unwrap();
    }
    let verified = world.cli(&["--json", "log", "verify", "--log", "state"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
    assert_eq!(verified.json()["events"], 20);
    let stats = world.cli(&["--json", "log", "stats", "--log", "state"]).unwrap().json();
    assert_eq!(stats["streams"], 20);

    world.stop().await.unwrap();
    let file = world.path("data/gamemesh.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<usize> =
        bytes.windows(6).enumerate().filter(|(_, w)| w == b"onward").map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] = b'O';
    }
    std::fs::write(&file, bytes).unwrap();
    let damaged = world.cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(damaged.exit, 8, "{damaged:?}");
    assert_eq!(damaged.json()["clean"], false);
}

#[tokio::test]
async fn a_token_from_the_command_line_opens_the_server() {
    const SECRET: &str = "a secret of at least thirty-two bytes";
    let mut world = World::builder().env("JWT_SECRET", SECRET).build().unwrap();
    world.start().await.unwrap();
    let refused = world.cli(&["--json", "state", "get", "player", "7"]).unwrap();
    assert_eq!(refused.exit, 7, "{refused:?}");
    assert!(refused.problem()["hint"].as_str().unwrap().contains("gamemesh token"));

    let token = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["token"].iter().chain(arguments).copied().collect();
        let ran = cli::run_with(&arguments, &[("JWT_SECRET", SECRET)], b"").unwrap();
        assert_eq!(ran.exit, 0, "{ran:?}");
        ran.stdout.trim().to_owned()
    };
    let server = token(&["--role", "game-server"]);
    let client = world
        .client_with(ClientOptions { token: Some(server), ..ClientOptions::default() })
        .await
        .unwrap();
    let put = v1::PutPlayerRequest {
        player_id: "7".into(),
        player: Some(v1::PlayerState { status: "online".into(), ..Default::default() }),
        ..Default::default()
    };
    client.put_player(put).await.unwrap();

    let player = token(&["--role", "player", "--player-id", "7", "--subject", "ann"]);
    let own = world.cli(&["--token", &player, "state", "get", "player", "7"]);
    assert!(own.is_ok());
    let client = world
        .client_with(ClientOptions { token: Some(player), ..ClientOptions::default() })
        .await
        .unwrap();
    let read = |id: &str| v1::GetPlayerRequest { player_id: id.into(), ..Default::default() };
    assert!(client.get_player(read("7")).await.is_ok());
    let other = client.get_player(read("8")).await.unwrap_err();
    assert_eq!(other.reason, "PERMISSION_DENIED");
}

#[tokio::test]
async fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let world = World::builder().build().unwrap();
    let healthy = world.cli(&["--json", "doctor", "--http-addr", "127.0.0.1:0"]).unwrap();
    assert_eq!(healthy.exit, 0, "{healthy:?}");
    let findings = healthy.json();
    let checks: Vec<&str> = findings["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["check"].as_str().unwrap())
        .collect();
    for check in ["configuration", "open files", "clock", "port", "database", "disk space"] {
        assert!(checks.contains(&check), "{check} is not among {checks:?}");
    }

    // A server of ours is no failure; whoever else listens there is.
    let running = World::standalone().await.unwrap();
    let ours = world.cli(&["--json", "doctor", "--http-addr", &running.address()]).unwrap();
    assert_eq!(ours.exit, 0, "{ours:?}");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let taken = world.cli(&["--json", "doctor", "--http-addr", &address]).unwrap();
    assert_eq!(taken.exit, 1, "{taken:?}");
    assert!(taken.stdout.contains("stop what listens there"), "{taken:?}");

    let unreachable =
        world.cli(&["doctor", "--http-addr", "127.0.0.1:0", "--redis-url", "redis://127.0.0.1:1"]);
    let unreachable = unreachable.unwrap();
    assert_eq!(unreachable.exit, 1);
    assert!(unreachable.stdout.contains("redis") && unreachable.stdout.contains("FAILURE"));

    let database = "postgres://nobody@127.0.0.1:1/none";
    let elsewhere =
        world.cli(&["doctor", "--http-addr", "127.0.0.1:0", "--database-url", database]);
    let elsewhere = elsewhere.unwrap();
    assert_eq!(elsewhere.exit, 1);
    assert!(!elsewhere.stdout.contains("in memory"), "{elsewhere:?}");

    assert_eq!(world.cli(&["doctor", "--workers", "many"]).unwrap().exit, 64);
}

/// The processors that each thread of a process may run on, as the system writes them: `0-3,7`.
fn places(process: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that has ended meanwhile has no place.
    let place = |thread: std::fs::DirEntry| {
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some(allowed.trim().to_owned())
    };
    threads.filter_map(|thread| place(thread.unwrap())).collect()
}

#[tokio::test]
async fn threads_keep_to_processors_of_their_own_if_they_are_told_to() {
    let wrong = cli::run(&["serve", "--pin-threads", "yes"]).unwrap();
    assert_eq!(wrong.exit, 64, "{wrong:?}");
    assert!(wrong.stderr.contains("on or off"), "{wrong:?}");

    let processors = std::thread::available_parallelism().unwrap().get();
    if processors != rustix::thread::sched_getaffinity(None).unwrap().count() as usize {
        // None of them is this machine's own.
        let shared = cli::run(&["serve", "--pin-threads", "on"]).unwrap();
        assert_eq!(shared.exit, 64, "{shared:?}");
        assert!(shared.stderr.contains("none of which is its own"), "{shared:?}");
        return;
    }
    let all = places(std::process::id()).swap_remove(0);
    let mut world = World::builder().env("PIN_THREADS", "on").build().unwrap();
    world.start().await.unwrap();
    let confined: BTreeSet<String> =
        places(world.process_id().unwrap()).into_iter().filter(|place| *place != all).collect();
    let expected = if processors == 1 { 0 } else { processors };
    assert_eq!(confined.len(), expected, "{confined:?}");
    assert!(confined.iter().all(|place| place.parse::<usize>().is_ok()), "{confined:?}");

    let free = World::standalone().await.unwrap();
    assert!(places(free.process_id().unwrap()).iter().all(|place| *place == all));
}
