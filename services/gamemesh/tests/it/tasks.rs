//! Background work is supervised: whichever task dies, the process stops being ready and ends with the
//! reason, never half-dead and ready.

use std::collections::BTreeSet;
use std::time::Duration;

use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{Builder, World};

/// A process whose task was killed has ended by then.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// What the log says of a task that begins, in both of its formats.
const BEGINS: &str = "a background task begins";

/// The tasks of a server, from its own log.
async fn names(server: Builder) -> BTreeSet<String> {
    let mut world = server.log_level("warn,gamemesh_launch=debug").build().unwrap();
    world.start().await.unwrap();
    let log = std::fs::read_to_string(world.path("server.log")).unwrap();
    log.lines()
        .filter(|line| line.contains(BEGINS))
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["task"].as_str().unwrap().to_owned()
        })
        .collect()
}

async fn kill(server: Builder, name: &str) {
    let mut world = server.fault(format!("task.{name}")).build().unwrap();
    world.start().await.unwrap();
    let ended = world.wait(ENDS_WITHIN).await.unwrap();
    let log = std::fs::read_to_string(world.path("server.log")).unwrap();
    let status = ended.unwrap_or_else(|| panic!("{name} is dead and the server lives:\n{log}"));
    assert_eq!(status.code(), Some(1), "{name}");
    let reason = format!("the background task {name} panicked: killed by a test");
    assert!(log.contains(&reason), "{name} is not named:\n{log}");
}

#[tokio::test]
async fn a_task_that_dies_ends_the_process_with_its_name() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let shared = || World::builder().database_url(postgres.url()).flag("lanes", "owned");
    let embedded = names(World::builder()).await;
    assert!(embedded.len() > 10 && embedded.contains("state relay"), "{embedded:?}");
    for name in &embedded {
        kill(World::builder(), name).await;
    }
    let with_leases = names(shared()).await;
    assert!(with_leases.contains("state lease manager"), "{with_leases:?}");
    for name in with_leases.difference(&embedded) {
        kill(shared(), name).await;
    }
}
