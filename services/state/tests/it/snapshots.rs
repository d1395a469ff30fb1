//! Snapshots: kept, used, and never believed when they are wrong.

use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::{Snapshot, StreamName};
use prost::Message as _;
use rand::Rng as _;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::calls::{at_version, incremented, operations, set, update};
use super::documents::number;
use super::world::{Client, World};

/// Of the product: the reducer whose snapshots are used, and how often one is kept.
const REDUCER: u64 = 1;
const INTERVAL: u64 = 256;

const VERSIONS: u64 = 2_000;
const WRITERS: u64 = 50;

fn stream() -> StreamName {
    StreamName::new("economy", "long")
}

/// A long history: every version has another state.
async fn live(client: &Client) {
    let writers = (0..WRITERS).map(|writer| async move {
        for n in 0..VERSIONS / WRITERS {
            let slot = format!("slots.s{}", (writer + n) % 7);
            let request = pb::UpdateAggregateRequest {
                create_missing: true,
                result_only: true,
                ..operations(
                    "economy",
                    "long",
                    vec![incremented("n", 1.0), set(&slot, &json!(writer * 1_000 + n))],
                )
            };
            update(client, request).await.unwrap();
        }
    });
    futures::future::join_all(writers).await;
}

/// Every state, folded from the first event on.
async fn folded(client: &Client) -> Vec<pb::Aggregate> {
    let request = pb::ReplayAggregateRequest {
        r#type: "economy".to_owned(),
        id: "long".to_owned(),
        ..Default::default()
    };
    let mut steps = client.clone().replay_aggregate(request).await.unwrap().into_inner();
    let mut states = Vec::new();
    while let Some(step) = steps.message().await.unwrap() {
        states.push(step.aggregate.unwrap());
    }
    assert_eq!(states.len() as u64, VERSIONS);
    states
}

/// Random versions, and those around each snapshot, are what the fold says.
async fn travel(client: &Client, expected: &[pb::Aggregate]) {
    let around = (INTERVAL..VERSIONS).step_by(INTERVAL as usize);
    let mut versions: Vec<u64> = around.flat_map(|v| [v - 1, v, v + 1]).collect();
    versions.extend([1, VERSIONS]);
    versions.extend((0..60).map(|_| rand::rng().random_range(1..=VERSIONS)));
    for version in versions {
        let actual = at_version(client, "economy", "long", version as i64).await.unwrap();
        assert_eq!(actual, expected[version as usize - 1], "version {version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_version_is_what_a_full_fold_says_with_good_wrong_and_foreign_snapshots() {
    let mut world = World::new().await;
    let client = world.client().await;
    live(&client).await;
    kept(&world).await;
    let expected = folded(&client).await;
    let last = expected.last().unwrap().state.as_ref().unwrap();
    assert_eq!(number(last, &["n"]), Some(VERSIONS as f64));
    travel(&client, &expected).await;
    assert!(world.metric("gsm_snapshots_audited_total").await >= 1.0);
    assert_eq!(world.metric("gsm_snapshots_wrong_total").await, 0.0);

    // Each of these must cost time and nothing else. Rows of the table of current states are snapshots
    // too.
    for spoil in [
        "UPDATE snapshot SET state = x'ff00ff00'",
        "UPDATE snapshot SET state = zeroblob(0)",
        "UPDATE snapshot SET crc = crc + 1",
        "UPDATE snapshot SET reducer = 99; UPDATE aggregate_states SET reducer = 99",
        "UPDATE aggregate_states SET state = x'ff00ff00', reducer = 1 WHERE id = 'long'",
        "DELETE FROM snapshot",
    ] {
        world.stop().await;
        let mut store = SqliteConnection::connect(&world.url()).await.unwrap();
        sqlx::raw_sql(spoil).execute(&mut store).await.unwrap();
        store.close().await.unwrap();
        world.start().await;
        let client = world.client().await;
        travel(&client, &expected).await;
        let newest = super::calls::get(&client, "economy", "long").await.unwrap();
        assert_eq!(&newest.aggregate.unwrap(), expected.last().unwrap(), "{spoil}");
        let list = pb::ListAggregatesRequest { r#type: "economy".to_owned(), ..Default::default() };
        let listed = client.clone().list_aggregates(list).await.unwrap().into_inner().aggregates;
        assert_eq!(listed, expected[expected.len() - 1..], "{spoil}");
    }
}

/// A snapshot at every multiple of the interval, soon after it was reached.
async fn kept(world: &World) {
    let snapshots = world.stores().snapshots.clone();
    let newest = VERSIONS / INTERVAL * INTERVAL;
    let keeping = async {
        while snapshots.snapshot_at(&stream(), VERSIONS, REDUCER).await.unwrap().map(|s| s.version)
            != Some(newest)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), keeping).await.expect("no snapshot is kept");
    for version in 1..=VERSIONS {
        let snapshot = snapshots.snapshot_at(&stream(), version, REDUCER).await.unwrap();
        let expected = version / INTERVAL * INTERVAL;
        assert_eq!(snapshot.map_or(0, |s| s.version), expected, "for version {version}");
    }
}

/// Without this, the test above would also pass if snapshots were never looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_what_time_travel_starts_from() {
    let world = World::new().await;
    let client = world.client().await;
    live(&client).await;
    kept(&world).await;
    let gold = pb::Datum { kind: Some(pb::datum::Kind::Int(7)) };
    let entry = pb::DatumEntry { name: "n".to_owned(), value: Some(gold) };
    let state = pb::DatumMap { entries: vec![entry] };
    let state = pb::Datum { kind: Some(pb::datum::Kind::Map(state)) };
    let folded =
        pb::Folded { state: Some(state), created_us: 1, updated_us: 2, allowances: Vec::new() };
    let planted = Snapshot {
        stream: stream(),
        version: INTERVAL * 3,
        reducer: REDUCER,
        time_us: 2,
        state: folded.encode_to_vec().into(),
    };
    world.stores().snapshots.put_snapshot(planted).await.unwrap();
    let n = async |version: u64| {
        let aggregate = at_version(&client, "economy", "long", version as i64).await.unwrap();
        number(&aggregate.state.unwrap(), &["n"])
    };
    assert_eq!(n(INTERVAL * 3 - 1).await, Some(767.0));
    assert_eq!(n(INTERVAL * 3 + 5).await, Some(12.0));
    assert_eq!(n(INTERVAL * 4).await, Some(1_024.0));
}
