//! Retries: one write, however often it is asked for, and the first result each time.

use gamemesh_contracts::state::v1 as pb;
use serde_json::json;
use tonic::Status;

use super::calls::{
    changed, create, fact, get, increment, incremented, operations, reason, update,
};
use super::documents::{document, message, number};
use super::world::{Client, World};

const EVENT_ID: &str = "0190a3c5-0000-7000-8000-000000000001";

fn keyed(key: &str, by: f64) -> pb::UpdateAggregateRequest {
    pb::UpdateAggregateRequest {
        idempotency_key: key.to_owned(),
        create_missing: true,
        ..operations("economy", "a", vec![incremented("balances.gold", by)])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_is_answered_with_the_first_result_also_later_and_after_a_restart() {
    let mut world = World::new().await;
    let client = world.client().await;
    let first = update(&client, keyed("k", 5.0)).await.unwrap();
    assert!(!first.write.as_ref().unwrap().repeated_write);
    increment(&client, "economy", "a", "balances.gold", 1.0).await.unwrap();
    let events = world.events();

    let expected = |mut first: pb::UpdateAggregateResponse| {
        first.write.as_mut().unwrap().repeated_write = true;
        first
    };
    let untold = |mut answer: pb::UpdateAggregateResponse| {
        answer.write.as_mut().unwrap().token.clear();
        answer
    };
    let again = update(&client, keyed("k", 5.0)).await.unwrap();
    assert_eq!(untold(again), untold(expected(first.clone())));
    drop(client);
    world.restart().await;
    let client = world.client().await;
    let again = update(&client, keyed("k", 5.0)).await.unwrap();
    assert_eq!(untold(again), untold(expected(first)));

    let other = update(&client, keyed("k", 6.0)).await.unwrap_err();
    assert_eq!(reason(&other), "IDEMPOTENCY_KEY_REUSED", "{other:?}");
    assert_eq!(world.events(), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_concurrent_tries_are_one_write() {
    let world = World::new().await;
    let client = world.client().await;
    let create = pb::CreateAggregateRequest {
        r#type: "guild".to_owned(),
        id: "g".to_owned(),
        idempotency_key: "create".to_owned(),
        ..Default::default()
    };
    let creations = (0..20).map(|_| {
        let (mut client, create) = (client.clone(), create.clone());
        async move { client.create_aggregate(create).await }
    });
    let increments = (0..20).map(|_| update(&client, keyed("increment", 1.0)));
    let (creations, increments) = futures::future::join(
        futures::future::join_all(creations),
        futures::future::join_all(increments),
    )
    .await;
    let creations = creations.into_iter().map(|answer| answer.unwrap().into_inner().write.unwrap());
    let increments = increments.into_iter().map(|answer| answer.unwrap().write.unwrap());
    for writes in [creations.collect::<Vec<_>>(), increments.collect()] {
        assert_eq!(writes.iter().filter(|write| !write.repeated_write).count(), 1);
        assert!(writes.iter().all(|write| write.version == 1), "{writes:?}");
    }
    assert_eq!(world.events(), 2);
}

/// The same bytes mean something else to another method, or for another player.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_belongs_to_one_request_of_one_method() {
    let world = World::new().await;
    let mut client = world.client().await;
    let put = pb::PutPlayerRequest {
        player_id: "x".to_owned(),
        player: Some(pb::PlayerState::default()),
        idempotency_key: "k".to_owned(),
        ..Default::default()
    };
    client.put_player(put).await.unwrap();
    let put = pb::PutMatchRequest {
        match_id: "x".to_owned(),
        r#match: Some(pb::MatchState::default()),
        idempotency_key: "k".to_owned(),
        ..Default::default()
    };
    let status = client.put_match(put).await.unwrap_err();
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED", "{status:?}");

    let sync = |player_id: &str| pb::SyncPlayerRequest {
        player_id: player_id.to_owned(),
        changes: vec![pb::PendingChange {
            idempotency_key: "1".to_owned(),
            change: Some(pb::pending_change::Change::MergePatch(document(&json!({"level": 7})))),
            ..Default::default()
        }],
        ..Default::default()
    };
    client.sync_player(sync("a")).await.unwrap();
    let answer = client.sync_player(sync("b")).await.unwrap().into_inner();
    let outcome = &answer.outcomes[0];
    assert_eq!(outcome.refusal.as_ref().unwrap().reason, "IDEMPOTENCY_KEY_REUSED", "{outcome:?}");
    assert_eq!(answer.player, None);
}

fn append(id: &str, expected: Option<i64>, told: &str) -> pb::AppendEventsRequest {
    pb::AppendEventsRequest {
        r#type: "guild".to_owned(),
        id: id.to_owned(),
        events: vec![
            pb::NewAggregateEvent {
                event_id: EVENT_ID.to_owned(),
                kind: "raid.won".to_owned(),
                data: Some(message(&json!({"told": told}))),
            },
            pb::NewAggregateEvent {
                event_id: EVENT_ID.replace("0001", "0002"),
                kind: "raid.left".to_owned(),
                data: None,
            },
        ],
        expected_version: expected,
        ..Default::default()
    }
}

async fn appended(
    client: &Client,
    request: pb::AppendEventsRequest,
) -> Result<(i64, i64, bool), Status> {
    let answer = client.clone().append_events(request).await?.into_inner();
    let write = answer.write.unwrap();
    Ok((answer.first_version, write.version, write.repeated_write))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appended_events_are_recognised_by_their_ids_and_place() {
    let world = World::new().await;
    let client = world.client().await;
    create(&client, "guild", "g", &json!({})).await.unwrap();
    for (id, before) in [("g", 1), ("never created", 0)] {
        let first = appended(&client, append(id, Some(before), "x")).await.unwrap();
        assert_eq!(first, (before + 1, before + 2, false), "{id}");
        let events = world.events();
        let again = appended(&client, append(id, Some(before), "x")).await.unwrap();
        assert_eq!(again, (before + 1, before + 2, true), "{id}");
        // Not what stands there.
        let other = appended(&client, append(id, Some(before), "y")).await.unwrap_err();
        assert_eq!(reason(&other), "INVALID_ARGUMENT", "{other:?}");
        assert_eq!(world.events(), events, "{id}");
        let mut later = append(id, Some(before), "x");
        later.events.remove(0);
        let later = appended(&client, later).await.unwrap_err();
        assert_eq!(reason(&later), "VERSION_CONFLICT", "{later:?}");
        assert_eq!(fact(&later, "actualVersion").unwrap(), (before + 2).to_string());
        assert_eq!(world.events(), events, "{id}");
    }

    let tries = (0..10).map(|_| appended(&client, append("at once", Some(0), "x")));
    let tries: Vec<_> = futures::future::join_all(tries).await;
    let tries: Vec<_> = tries.into_iter().map(Result::unwrap).collect();
    assert_eq!(tries.iter().filter(|(_, _, repeated)| !repeated).count(), 1, "{tries:?}");
    assert!(tries.iter().all(|(first, last, _)| (*first, *last) == (1, 2)), "{tries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_is_a_key_too_and_a_refusal_is_not_remembered() {
    let world = World::new().await;
    let client = world.client().await;
    let path = "/api/v1/state/aggregates/economy/a";
    let body =
        r#"{"operations": {"operations": [{"increment": {"path": "balances.gold", "by": 2}}]}}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "over-rest")];
    // Refused, because there is nothing to change; the key stays free.
    let missing = world.http("PATCH", path, &headers, body).await;
    assert_eq!(
        (missing.status, &missing.json()["details"][0]["reason"]),
        (404, &json!("NOT_FOUND"))
    );
    create(&client, "economy", "a", &json!({"balances": {"gold": 1}})).await.unwrap();

    for repeated in ["", "true"] {
        let answer = world.http("PATCH", path, &headers, body).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!(answer.header("x-state-repeated"), repeated);
        assert_eq!(answer.header("etag"), "\"2\"");
        assert_eq!(answer.json()["aggregate"]["state"]["balances"]["gold"], 3);
    }
    let state = get(&client, "economy", "a").await.unwrap().aggregate.unwrap().state.unwrap();
    assert_eq!(number(&state, &["balances", "gold"]), Some(3.0));

    let field = r#"{"replace": {}, "idempotencyKey": "another"}"#;
    let both = world.http("PATCH", path, &headers, field).await;
    assert_eq!(
        (both.status, &both.json()["details"][0]["reason"]),
        (400, &json!("INVALID_ARGUMENT"))
    );
    let long = pb::UpdateAggregateRequest {
        idempotency_key: "k".repeat(257),
        ..changed(
            "economy",
            "a",
            pb::update_aggregate_request::Change::Replace(document(&json!({}))),
        )
    };
    assert_eq!(reason(&update(&client, long).await.unwrap_err()), "INVALID_ARGUMENT");
}
