//! Import and export.

use gamemesh_testkit::World;
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_exported_can_be_imported_elsewhere_and_is_the_same() {
    const COUNT: usize = 1_200;
    let first = World::standalone().await.unwrap();
    let lines: String = (0..COUNT)
        .map(|n| {
            let state = json!({"name": format!("Guild {n}"), "level": n % 900 + 1, "tag": "ü"});
            format!("{}\n", json!({"type": "guild", "id": format!("g{n:05}"), "state": state}))
        })
        .collect();
    let imported =
        first.cli_with_input(&["--json", "state", "import", "-"], lines.as_bytes()).unwrap();
    assert_eq!(imported.exit, 0, "{imported:?}");
    assert_eq!(imported.json()["written"], COUNT);

    let file = first.path("guilds.ndjson");
    let file = file.to_str().unwrap();
    let exported = first.cli(&["--json", "state", "export", "guild", "--output", file]).unwrap();
    assert_eq!(exported.json()["aggregates"], COUNT, "{exported:?}");

    let second = World::standalone().await.unwrap();
    assert_eq!(second.cli(&["state", "import", file]).unwrap().exit, 0);
    let there = states(&second.cli(&["--json", "state", "export", "guild"]).unwrap().json_lines());
    let here = states(&first.cli(&["--json", "state", "export", "guild"]).unwrap().json_lines());
    assert_eq!(here.len(), COUNT);
    assert_eq!(here, there);
}

fn states(lines: &[Value]) -> Vec<(String, Value)> {
    let state = |line: &Value| (line["id"].as_str().unwrap().to_owned(), line["state"].clone());
    lines.iter().map(state).collect()
}

#[tokio::test]
async fn refused_lines_are_named_and_the_others_are_written() {
    let world = World::standalone().await.unwrap();
    let lines = [
        r#"{"type": "guild", "id": "a", "state": {"level": 1}}"#,
        r#"{"type": "guild", "id": "b", "state": {"level": 0}}"#,
        "not JSON",
        "",
        r#"{"type": "guild", "id": "c", "state": {"level": 3}}"#,
    ]
    .join("\n");
    let ran = world.cli_with_input(&["--json", "state", "import", "-"], lines.as_bytes()).unwrap();
    assert_eq!(ran.exit, 5, "{ran:?}");
    let answers = ran.json_lines();
    let summary = answers.last().unwrap();
    assert_eq!((&summary["written"], &summary["refused"]), (&json!(2), &json!(2)), "{summary}");
    let mut refused: Vec<&Value> =
        answers[..answers.len() - 1].iter().map(|a| &a["line"]).collect();
    refused.sort_by_key(|line| line.as_i64());
    assert_eq!(refused, [2, 3]);
    let schema = answers.iter().find(|answer| answer["line"] == 2).unwrap();
    assert_eq!(schema["error"]["reason"], "SCHEMA_VIOLATION", "{schema}");
    assert_eq!(world.cli(&["state", "get", "guild", "c"]).unwrap().exit, 0);
}

#[tokio::test]
async fn an_import_that_is_run_again_writes_only_what_is_missing() {
    let world = World::standalone().await.unwrap();
    let line = |id: &str| json!({"type": "guild", "id": id, "state": {"level": 1}}).to_string();
    let import = |input: &str| {
        let arguments = ["--json", "state", "import", "-", "--session", "monday"];
        world.cli_with_input(&arguments, input.as_bytes()).unwrap().json()
    };
    let first = import(&line("a"));
    assert_eq!((&first["written"], &first["repeated"]), (&json!(1), &json!(0)));
    let again = import(&format!("{}\n{}", line("a"), line("b")));
    assert_eq!((&again["written"], &again["repeated"]), (&json!(1), &json!(1)), "{again}");
    let got = world.cli(&["--json", "state", "get", "guild", "a"]).unwrap().json();
    assert_eq!(got["version"], "1");
}

#[tokio::test]
async fn an_import_survives_the_death_of_the_server() {
    const COUNT: usize = 3_000;
    let mut world =
        World::builder().services("state").fault("sqlite.after_commit:4").build().unwrap();
    world.start().await.unwrap();
    let lines: String = (0..COUNT)
        .map(|n| {
            format!("{}\n", json!({"type": "guild", "id": format!("g{n}"), "state": {"level": 2}}))
        })
        .collect();
    let file = world.path("many.ndjson");
    std::fs::write(&file, lines).unwrap();

    let (url, path) = (world.url(), file.to_str().unwrap().to_owned());
    let import = tokio::task::spawn_blocking(move || {
        gamemesh_testkit::cli::run(&["--json", "state", "import", &path, "--url", &url]).unwrap()
    });
    let died = world.wait(std::time::Duration::from_secs(20)).await.unwrap();
    assert!(died.is_some(), "the fault point was not passed");
    world.set_fault(None);
    world.start().await.unwrap();

    let ran = import.await.unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    let summary = ran.json();
    let done = summary["written"].as_u64().unwrap() + summary["repeated"].as_u64().unwrap();
    assert_eq!(done, COUNT as u64);
    let events = world.cli(&["--json", "log", "verify"]).unwrap().json();
    assert_eq!(events["clean"], true);
    let history = world.cli(&["--json", "state", "export", "guild"]).unwrap().json_lines();
    assert_eq!(history.len(), COUNT);
    assert!(history.iter().all(|line| line["version"] == 1), "a line was written twice");
}
