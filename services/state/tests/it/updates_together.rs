//! Updates that come together, in a batch or on a stream: each by itself, in their order.

use gamemesh_contracts::state::v1 as pb;
use pb::batch_update_result::Result as Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::calls::{incremented, operations, reason};
use super::world::{Client, World};

/// As many as are decided at once, and some more.
const ENOUGH: usize = 100;

fn earn(id: &str, gold: f64) -> pb::UpdateAggregateRequest {
    let update = operations("economy", id, vec![incremented("balances.gold", gold)]);
    pb::UpdateAggregateRequest { create_missing: true, result_only: true, ..update }
}

/// The version that an update led to, or the reason of its refusal.
fn outcome(result: pb::BatchUpdateResult) -> Result<i64, String> {
    match result.result.unwrap() {
        Outcome::Updated(updated) => Ok(updated.write.unwrap().version),
        Outcome::Refusal(refusal) => Err(refusal.reason),
    }
}

async fn batch(
    client: &Client,
    updates: Vec<pb::UpdateAggregateRequest>,
) -> Vec<Result<i64, String>> {
    let request = pb::BatchUpdateAggregatesRequest { updates };
    let answer = client.clone().batch_update_aggregates(request).await.unwrap().into_inner();
    answer.results.into_iter().map(outcome).collect()
}

#[tokio::test]
async fn each_has_its_own_outcome_in_the_order_of_the_call() {
    let world = World::new().await;
    let client = world.client().await;
    let expecting =
        |version| pb::UpdateAggregateRequest { expected_version: Some(version), ..earn("a", 1.0) };
    let refused = |reason: &str| Err(reason.to_owned());
    let updates = vec![
        expecting(0),
        earn("b", 1.0),
        expecting(0),
        expecting(1),
        pb::UpdateAggregateRequest { r#type: "no-such-type".into(), ..earn("a", 1.0) },
        earn("b", 1.0),
        pb::UpdateAggregateRequest { change: None, ..earn("a", 1.0) },
        expecting(2),
    ];
    let expected = vec![
        Ok(1),
        Ok(1),
        refused("VERSION_CONFLICT"),
        Ok(2),
        refused("UNKNOWN_TYPE"),
        Ok(2),
        refused("INVALID_ARGUMENT"),
        Ok(3),
    ];
    assert_eq!(batch(&client, updates).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_one_aggregate_follow_one_another_whoever_else_writes() {
    let world = World::new().await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        let client = world.client().await;
        writers.push(tokio::spawn(async move {
            let mut last = 0;
            for _ in 0..5 {
                let updates = (0..ENOUGH).map(|_| earn("hot", 1.0)).collect();
                for version in batch(&client, updates).await {
                    let version = version.unwrap();
                    assert!(version > last, "{version} after {last}");
                    last = version;
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let client = world.client().await;
    assert_eq!(batch(&client, vec![earn("hot", 1.0)]).await, [Ok(4 * 5 * ENOUGH as i64 + 1)]);
    assert!(world.stores().log.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_retry_within_one_call_is_answered_once_more() {
    let world = World::new().await;
    let client = world.client().await;
    let keyed = pb::UpdateAggregateRequest { idempotency_key: "k".into(), ..earn("a", 1.0) };
    let updates = vec![keyed.clone(), earn("a", 1.0), keyed.clone(), earn("b", 1.0)];
    assert_eq!(batch(&client, updates).await, [Ok(1), Ok(2), Ok(1), Ok(1)]);
    assert_eq!(batch(&client, vec![earn("a", 1.0), keyed]).await, [Ok(3), Ok(1)]);
}

#[tokio::test]
async fn a_stream_answers_what_came_before_its_end() {
    let world = World::new().await;
    let client = world.client().await;
    let (sender, receiver) = mpsc::channel(ENOUGH + 2);
    for sequence in 0..ENOUGH as i64 {
        let update = Some(earn("a", 1.0));
        sender.send(pb::StreamUpdatesRequest { sequence, update }).await.unwrap();
    }
    let without_update = pb::StreamUpdatesRequest { sequence: -1, update: None };
    sender.send(without_update).await.unwrap();
    let mut answers =
        client.clone().stream_updates(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    for sequence in 0..ENOUGH as i64 {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.sequence, sequence);
        assert_eq!(outcome(answer.result.unwrap()), Ok(sequence + 1));
    }
    let refused = answers.message().await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::InvalidArgument, "INVALID_ARGUMENT".into())
    );
}

/// Those of one aggregate come in the order of the stream, however long others of their group take: each
/// expects the version that the one before it leads to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_keeps_the_order_of_each_aggregate() {
    const ROUNDS: i64 = 2_000;
    let world = World::new().await;
    let client = world.client().await;
    let (sender, receiver) = mpsc::channel(4 * ENOUGH);
    let mut answers =
        client.clone().stream_updates(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let expecting = |id: &str, version| pb::UpdateAggregateRequest {
        expected_version: Some(version),
        ..earn(id, 1.0)
    };
    let sending = tokio::spawn(async move {
        for round in 0..ROUNDS {
            // One that has to be looked for in the store holds up its group.
            for id in [&format!("new-{round}"), "hot", "warm"] {
                let version = if id.starts_with("new") { 0 } else { round };
                let update = Some(expecting(id, version));
                sender.send(pb::StreamUpdatesRequest { sequence: round, update }).await.unwrap();
            }
            if round % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let mut count = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        let led_to = outcome(answer.result.unwrap());
        assert!(led_to == Ok(1) || led_to == Ok(answer.sequence + 1), "{led_to:?}");
        count += 1;
    }
    sending.await.unwrap();
    assert_eq!(count, 3 * ROUNDS);
}
