//! The times of an aggregate are those of its events, whatever clock its writers have.

use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::clock::Clock;
use gamemesh_state::StateConfig;
use prost_types::Timestamp;
use serde_json::json;

use super::calls::{at_version, create, get, incremented, operations, reason, update};
use super::world::{Client, World};

const NOW_US: i64 = 1_790_000_000_000_000;
const BEHIND: Duration = Duration::from_secs(10);

/// Both made by one call: the second is decided while the first is on its way to the log.
async fn create_and_change(client: &Client, id: &str) -> Vec<pb::Aggregate> {
    let earn = pb::UpdateAggregateRequest {
        create_missing: true,
        ..operations("economy", id, vec![incremented("balances.gold", 1.0)])
    };
    let request = pb::BatchUpdateAggregatesRequest { updates: vec![earn.clone(), earn] };
    let answer = client.clone().batch_update_aggregates(request).await.unwrap().into_inner();
    let aggregate = |result: pb::BatchUpdateResult| match result.result.unwrap() {
        pb::batch_update_result::Result::Updated(updated) => updated.aggregate.unwrap(),
        refusal => panic!("{refusal:?}"),
    };
    answer.results.into_iter().map(aggregate).collect()
}

fn times(aggregate: &pb::Aggregate) -> [Timestamp; 2] {
    [aggregate.created_at.unwrap(), aggregate.updated_at.unwrap()]
}

/// An event's own time is in the history, however far ahead the clock was that gave it.
#[tokio::test]
async fn a_clock_that_was_ahead_for_one_write_leaves_no_time_out_of_history() {
    let clock = Clock::manual(NOW_US);
    let world = World::with(StateConfig::default(), clock.clone()).await;
    let client = world.client().await;
    create(&client, "economy", "a", &json!({})).await.unwrap();
    clock.set_micros(NOW_US + 3_600_000_000);
    let earn = operations("economy", "a", vec![incremented("balances.gold", 1.0)]);
    let made = update(&client, earn).await.unwrap().aggregate.unwrap();
    clock.set_micros(NOW_US);
    let request = pb::GetAggregateRequest {
        r#type: "economy".to_owned(),
        id: "a".to_owned(),
        at_time: made.updated_at,
        ..Default::default()
    };
    let then = client.clone().get_aggregate(request.clone()).await.unwrap().into_inner();
    assert_eq!(then.aggregate.unwrap(), made);
    let later = prost_types::Timestamp { nanos: 1_000, ..made.updated_at.unwrap() };
    let request = pb::GetAggregateRequest { at_time: Some(later), ..request };
    let status = client.clone().get_aggregate(request).await.unwrap_err();
    assert_eq!(reason(&status), "OUT_OF_HISTORY");
}

/// The log does not go back in time: what is written by a clock that is behind gets the time of what was
/// written before.
#[tokio::test]
async fn a_clock_that_went_back_changes_no_time_of_what_is_changed_on_its_way() {
    let clock = Clock::manual(NOW_US);
    let mut world = World::with(StateConfig::default(), clock.clone()).await;
    create(&world.client().await, "economy", "before", &json!({})).await.unwrap();
    clock.set_micros(NOW_US - BEHIND.as_micros() as i64);
    world.restart().await;

    let client = world.client().await;
    let answered = create_and_change(&client, "a").await;
    let mut folded = Vec::new();
    for version in [1, 2] {
        folded.push(at_version(&client, "economy", "a", version).await.unwrap());
    }
    let before = get(&client, "economy", "before").await.unwrap().aggregate.unwrap();
    let expected = vec![times(&before); 2];
    assert_eq!(folded.iter().map(times).collect::<Vec<_>>(), expected);
    assert_eq!(answered.iter().map(times).collect::<Vec<_>>(), expected);
    let shown = get(&client, "economy", "a").await.unwrap().aggregate.unwrap();
    assert_eq!(times(&shown), expected[1]);
}
