//! What a rule about a rate allows is one allowance for all writes, of whatever kind.

use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::clock::Clock;
use gamemesh_state::StateConfig;
use pb::batch_update_result::Result as Outcome;
use pb::transaction_part::Action;
use serde_json::json;

use super::calls::{create, incremented, merge, operations, part, reason, update};
use super::documents::document;
use super::world::{Client, World};

const NOW_US: i64 = 1_790_000_000_000_000;

fn east(by: f64) -> pb::UpdateAggregateRequest {
    let by = vec![incremented("position.x", by), incremented("experience", by * 1_000.0)];
    pb::UpdateAggregateRequest { result_only: true, ..operations("player", "p", by) }
}

async fn refusal(client: &Client, by: f64) -> String {
    update(client, east(by)).await.map_or_else(|status| reason(&status), |_| String::new())
}

/// Each takes 999 m and as many thousand points, of which 1,000 at once are allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kind_of_write_is_granted_the_allowance_anew() {
    let clock = Clock::manual(NOW_US);
    let mut world = World::with(StateConfig::default(), clock.clone()).await;
    create(&world.client().await, "player", "p", &json!({})).await.unwrap();
    let client = world.client().await;
    let request = pb::BatchUpdateAggregatesRequest { updates: vec![east(999.0); 300] };
    let results = client.clone().batch_update_aggregates(request).await.unwrap().into_inner();
    let results = results.results.into_iter();
    let made = results.filter(|r| matches!(r.result, Some(Outcome::Updated(_)))).count();
    assert_eq!(made, 1);

    assert_eq!(refusal(&client, 999.0).await, "VALIDATOR_REFUSED");
    let operations = vec![incremented("position.x", 999.0)];
    let change = Action::Operations(pb::Operations { operations: operations.clone() });
    let request =
        pb::TransactRequest { parts: vec![part("player", "p", change)], ..Default::default() };
    let status = client.clone().transact(request).await.unwrap_err();
    assert_eq!(reason(&status), "VALIDATOR_REFUSED");
    let change = pb::PendingChange {
        idempotency_key: "1".to_owned(),
        change: Some(pb::pending_change::Change::MergePatch(document(
            &json!({"position": {"x": -900}}),
        ))),
        ..Default::default()
    };
    let request = pb::SyncPlayerRequest {
        player_id: "p".to_owned(),
        changes: vec![change],
        ..Default::default()
    };
    let answer = client.clone().sync_player(request).await.unwrap().into_inner();
    assert_eq!(answer.outcomes[0].refusal.as_ref().unwrap().reason, "VALIDATOR_REFUSED");
    let updates = tokio_stream::iter(
        (0..20).map(|sequence| pb::StreamUpdatesRequest { sequence, update: Some(east(999.0)) }),
    );
    let mut answers = client.clone().stream_updates(updates).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(matches!(answer.result.unwrap().result, Some(Outcome::Refusal(_))));
    }
    // Nor does a restart, and what was folded anew is what was decided.
    world.restart().await;
    let client = world.client().await;
    assert_eq!(refusal(&client, 999.0).await, "VALIDATOR_REFUSED");
    assert_eq!(refusal(&client, 1.0).await, "");

    // Two seconds of rest are two thousand metres, whatever else changes meanwhile.
    clock.advance(Duration::from_secs(2));
    update(&client, merge("player", "p", &json!({"health": 99}))).await.unwrap();
    assert_eq!(refusal(&client, 2_001.0).await, "VALIDATOR_REFUSED");
    let move_only = merge("player", "p", &json!({"position": {"x": 3_000}}));
    update(&client, move_only).await.unwrap();
}
