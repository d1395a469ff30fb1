//! Death of the server under load: what was acknowledged is there, nothing is there twice, what was
//! not acknowledged is there as a whole or not at all.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how often it dies; `make fault-test` sets it.

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_client::v1::watch_aggregates_response::Message;
use gamemesh_client::{Client, v1};
use gamemesh_testkit::World;

use super::ledger::{self, Ledger};

/// Deaths in a run that does not say how many: enough for each kind to come up.
const ROUNDS: u32 = 24;
const WRITERS: u32 = 6;
/// A fault point that is not passed by then is followed by SIGKILL.
const FAULT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Where the server dies; `None`: at a random moment, by SIGKILL.
const POINTS: [Option<&str>; 8] = [
    None,
    Some("sqlite.before_commit"),
    Some("sqlite.after_commit"),
    None,
    Some("sqlite.mid_snapshot"),
    Some("sqlite.mid_batch"),
    Some("sqlite.mid_projection"),
    Some("sqlite.mid_checkpoint"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_nothing_and_double_nothing() {
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(ROUNDS, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    let mut world = World::standalone().await.unwrap();
    let watcher = tokio::spawn(watch(world.client().await.unwrap()));
    let mut died: BTreeMap<&str, u32> = BTreeMap::new();

    for round in 0..rounds {
        let point = POINTS[round as usize % POINTS.len()];
        world.kill9();
        world.set_fault(point.map(|point| format!("{point}:{}", 1 + random(30))));
        if let Err(error) = world.start().await {
            // What the last death left to do can pass the point before the server listens.
            let point = point.unwrap_or_else(|| panic!("{error:#}"));
            assert!(error.to_string().contains("SIGABRT"), "{error:#}");
            *died.entry(point).or_default() += 1;
            world.set_fault(None);
            world.start().await.unwrap();
            continue;
        }

        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let mut ledger = Ledger::open(&world, &format!("{round}-{writer}"));
            writers.push(tokio::spawn(async move {
                ledger.write_until_it_fails().await;
                ledger
            }));
        }
        let how = die(&mut world, point).await;
        *died.entry(how).or_default() += 1;

        world.set_fault(None);
        world.start().await.unwrap();
        for writer in writers {
            let mut ledger = writer.await.unwrap();
            ledger.check_after_death().await;
            ledger.settle_what_was_pending().await;
        }
    }

    let last = world.client().await.unwrap();
    let written = versions(&last, "world").await;
    let end = last.update_aggregate(ledger::last_word()).await.unwrap();
    assert!(end.write.is_some());
    let seen = tokio::time::timeout(Duration::from_secs(60), watcher).await.unwrap().unwrap();
    assert_eq!(seen, written, "a watcher saw something else than what was written");

    let verified = world.cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
    if rounds >= ROUNDS {
        assert!(died["SIGKILL"] >= rounds / 4, "{died:?}");
        for point in ["sqlite.before_commit", "sqlite.after_commit", "sqlite.mid_batch"] {
            assert!(died.contains_key(point), "no death at {point}: {died:?}");
        }
    }
    assert_eq!(died.values().sum::<u32>(), rounds);
}

/// Ends the server; answers how.
async fn die(world: &mut World, point: Option<&'static str>) -> &'static str {
    match point {
        None => {
            tokio::time::sleep(Duration::from_millis(20 + random(200))).await;
            world.kill9();
            "SIGKILL"
        }
        Some(point) => match world.wait(FAULT_TIMEOUT).await.unwrap() {
            Some(status) => {
                assert!(!status.success());
                point
            }
            None => {
                world.kill9();
                "SIGKILL"
            }
        },
    }
}

/// Follows all changes of one type over every death, up to the last word; answers the version that
/// each aggregate had then.
pub(crate) async fn watch(client: Client) -> BTreeMap<String, i64> {
    let request = v1::WatchAggregatesRequest { r#type: "world".into(), ..Default::default() };
    let mut watch = client.watch(request);
    let mut versions = BTreeMap::new();
    let mut positions = BTreeMap::new();
    loop {
        let event = match watch.next().await.unwrap().message {
            Some(Message::Change(change)) => change.event.unwrap(),
            Some(Message::Present(aggregate)) => {
                versions.insert(aggregate.id, aggregate.version);
                continue;
            }
            _ => continue,
        };
        if event.id == ledger::LAST_WORD {
            return versions;
        }
        let before = versions.insert(event.id.clone(), event.version).unwrap_or(0);
        assert_eq!(event.version, before + 1, "{}: a gap or a repetition", event.id);
        let position = positions.insert(event.lane, event.position).unwrap_or(0);
        assert!(event.position > position, "lane {} is out of order", event.lane);
    }
}

/// The version of each aggregate of a type, by its id.
pub(crate) async fn versions(client: &Client, kind: &str) -> BTreeMap<String, i64> {
    let mut versions = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let page = client
            .list_aggregates(v1::ListAggregatesRequest {
                r#type: kind.into(),
                page_size: 1_000,
                page_token,
                ..Default::default()
            })
            .await
            .unwrap();
        versions.extend(page.aggregates.into_iter().map(|a| (a.id, a.version)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return versions;
        }
    }
}

/// From 0 to `below`: the moment of a death needs no good randomness, only a different one each time.
pub(crate) fn random(below: u64) -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0 % below
}
