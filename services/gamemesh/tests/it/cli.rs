//! The command line: round trips, JSON, exit codes.

use gamemesh_testkit::{World, cli};
use serde_json::json;

#[tokio::test]
async fn an_aggregate_from_put_to_rollback() {
    let world = World::standalone().await.unwrap();
    let run = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
        let ran = world.cli(&arguments).unwrap();
        assert_eq!(ran.exit, 0, "{arguments:?}: {ran:?}");
        ran
    };

    let put = run(&["state", "put", "guild", "wolves", r#"{"name": "Wolves", "level": 3}"#]).json();
    assert_eq!(put["version"], "1");
    let patched = run(&["state", "patch", "guild", "wolves", r#"{"motto": "howl"}"#]).json();
    assert_eq!(patched["version"], "2");
    let operated = run(&[
        "state",
        "patch",
        "guild",
        "wolves",
        "--inc",
        "level=2",
        "--add",
        "members=ann",
        "--set",
        "motto=bark",
    ]);
    assert_eq!(operated.json()["version"], "3");

    let now = run(&["state", "get", "guild", "wolves"]).json();
    assert_eq!(now["state"]["level"], 5.0);
    assert_eq!(now["state"]["motto"], "bark");
    assert_eq!(now["state"]["members"], json!(["ann"]));
    let before = run(&["state", "get", "guild", "wolves", "--version", "1"]).json();
    assert_eq!(before["state"]["level"], 3.0);
    assert_eq!(before["state"].get("motto"), None);
    let at = now["updatedAt"].as_str().unwrap();
    assert_eq!(run(&["state", "get", "guild", "wolves", "--at", at]).json()["version"], "3");

    let history = run(&["state", "history", "guild", "wolves"]).json_lines();
    let kinds: Vec<&str> = history.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 3);
    assert_eq!(&kinds[1..], ["merged", "operated"]);
    let newest = run(&["state", "history", "guild", "wolves", "--reverse", "--limit", "1"]);
    assert_eq!(newest.json_lines()[0]["version"], "3");

    let diff = run(&["state", "diff", "guild", "wolves", "--from", "1", "--to", "3"]).json();
    let paths: Vec<&str> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"level") && paths.contains(&"motto"), "{paths:?}");

    let dry =
        run(&["state", "rollback", "guild", "wolves", "--to-version", "1", "--dry-run"]).json();
    assert!(dry.get("write").is_none(), "{dry}");
    let rolled = run(&["state", "rollback", "guild", "wolves", "--to-version", "1"]).json();
    assert_eq!(rolled["write"]["version"], "4");
    assert_eq!(run(&["state", "get", "guild", "wolves"]).json()["state"]["level"], 3.0);
}

#[tokio::test]
async fn every_kind_of_failure_has_its_exit_code_and_says_why() {
    let world = World::standalone().await.unwrap();
    assert_eq!(world.cli(&["state", "put", "guild", "g", "{}"]).unwrap().exit, 0);

    let table: [(&[&str], i32, &str); 9] = [
        (&["state", "get", "guild", "nobody"], 3, "NOT_FOUND"),
        (&["state", "put", "guild", "g", "{}", "--expected-version", "7"], 4, "VERSION_CONFLICT"),
        (&["state", "put", "guild", "g", "{}", "--expected-version", "0"], 4, "VERSION_CONFLICT"),
        (&["state", "put", "guild", "g", r#"{"level": 0}"#], 5, "SCHEMA_VIOLATION"),
        (&["state", "put", "dragon", "d", "{}"], 5, "UNKNOWN_TYPE"),
        (&["state", "rollback", "guild", "g", "--to-version", "99"], 5, "OUT_OF_HISTORY"),
        (&["state", "patch", "guild", "g", "--inc", "level=much"], 2, ""),
        (&["state", "put", "guild", "g", "{"], 2, ""),
        (&["state", "get", "guild", "g", "--at", "yesterday"], 2, ""),
    ];
    for (arguments, exit, reason) in table {
        let with_json: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
        let ran = world.cli(&with_json).unwrap();
        assert_eq!(ran.exit, exit, "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}: an answer beside a problem");
        let problem = ran.problem();
        assert_eq!(problem["reason"].as_str().unwrap_or_default(), reason, "{problem}");
        assert_ne!(problem["message"], "");

        let told = world.cli(arguments).unwrap();
        assert_eq!(told.exit, exit);
        assert!(told.stderr.starts_with("error: ") && told.stderr.contains(reason), "{told:?}");
    }

    let conflict = world
        .cli(&["--json", "state", "put", "guild", "g", "{}", "--expected-version", "7"])
        .unwrap()
        .problem();
    assert_eq!(conflict["facts"]["actualVersion"], "1", "{conflict}");
    assert!(conflict["hint"].as_str().unwrap().contains("version 1"), "{conflict}");
}

#[test]
fn a_server_that_is_away_is_unavailable_and_the_hint_says_what_to_do() {
    let away = cli::run(&["state", "get", "guild", "g", "--url", "http://127.0.0.1:1"]).unwrap();
    assert_eq!(away.exit, 6, "{away:?}");
    assert!(away.stderr.contains("gamemesh serve"), "{away:?}");
}

#[test]
fn wrong_usage_and_wrong_configuration_are_told_apart() {
    assert_eq!(cli::run(&["dance"]).unwrap().exit, 2);
    assert_eq!(cli::run(&["state", "get", "guild"]).unwrap().exit, 2);
    let wrong = cli::run(&["serve", "--cache-ttl", "soon"]).unwrap();
    assert_eq!(wrong.exit, 64, "{wrong:?}");
    for part in ["cache-ttl", "soon", "5m"] {
        assert!(wrong.stderr.contains(part), "{wrong:?}");
    }
    let unknown = cli::run(&["migrate", "--database-url", "mysql://h/d"]).unwrap();
    assert_eq!(unknown.exit, 64, "{unknown:?}");
    assert!(unknown.stderr.contains("sqlite://"), "{unknown:?}");
    assert_eq!(cli::run(&["token", "--role", "admin"]).unwrap().exit, 64);
    assert_eq!(cli::run(&["token", "--role", "player"]).unwrap().exit, 2);
}

#[test]
fn the_help_documents_the_exit_codes() {
    let help = cli::run(&["--help"]).unwrap();
    assert_eq!(help.exit, 0);
    for part in ["Exit codes", "64", "bad configuration", "serve", "doctor"] {
        assert!(help.stdout.contains(part), "{}", help.stdout);
    }
}

#[tokio::test]
async fn a_watch_shows_the_present_and_then_changes_and_can_be_resumed() {
    let world = World::standalone().await.unwrap();
    let put = |level: u32| {
        let state = json!({ "level": level }).to_string();
        assert_eq!(world.cli(&["state", "put", "guild", "g", &state]).unwrap().exit, 0);
    };
    put(1);
    let url = world.url();
    let watch = tokio::task::spawn_blocking(move || {
        let arguments = ["--json", "state", "watch", "guild", "g", "--count", "2", "--url", &url];
        cli::run(&arguments).unwrap()
    });
    let mut level = 1;
    while !watch.is_finished() {
        level += 1;
        put(level);
        assert!(level < 100, "the watch does not end after two changes");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let seen = watch.await.unwrap().json_lines();
    assert!(seen[0].get("present").is_some(), "{seen:?}");
    let changes: Vec<_> = seen.iter().filter_map(|message| message.get("change")).collect();
    assert_eq!(changes.len(), 2);

    let token = seen.last().unwrap()["resumeToken"].as_str().unwrap();
    put(level + 1);
    let resumed = world
        .cli(&["--json", "state", "watch", "guild", "g", "--count", "1", "--resume-token", token])
        .unwrap()
        .json_lines();
    let next = resumed.iter().find_map(|message| message.get("change")).unwrap();
    let version = |change: &serde_json::Value| -> i64 {
        change["event"]["version"].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(version(next), version(changes[1]) + 1);
}

#[tokio::test]
async fn people_get_tables() {
    let world = World::standalone().await.unwrap();
    world.cli(&["state", "put", "guild", "g", r#"{"name": "Gulls"}"#]).unwrap();
    let got = world.cli(&["state", "get", "guild", "g"]).unwrap();
    assert!(got.stdout.contains("guild g · version 1") && got.stdout.contains("Gulls"), "{got:?}");
    let history = world.cli(&["state", "history", "guild", "g"]).unwrap().stdout;
    assert!(history.lines().next().unwrap().starts_with("version  time"), "{history}");
}
