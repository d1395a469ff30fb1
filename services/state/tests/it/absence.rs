//! What must not exist is not read first: the log compares. Who was wrong about it is answered as if it
//! had been read.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use pb::update_aggregate_request::Change;
use serde_json::json;
use tonic::Status;

use super::calls::{changed, create, fact, fields, reason, update};
use super::documents::{document, message};
use super::world::{Client, World};

/// Aggregates that were looked for in vain where they are cached.
async fn misses(client: &Client) -> i64 {
    let answer = client.clone().get_analytics(pb::GetAnalyticsRequest::default()).await;
    answer.unwrap().into_inner().cache.unwrap().misses
}

async fn append(client: &Client, id: &str, expected: i64) -> Result<i64, Status> {
    let event = pb::NewAggregateEvent {
        kind: "noted".to_owned(),
        data: Some(message(&json!("x"))),
        ..Default::default()
    };
    let request = pb::AppendEventsRequest {
        r#type: "guild".to_owned(),
        id: id.to_owned(),
        events: vec![event],
        expected_version: Some(expected),
        ..Default::default()
    };
    let answer = client.clone().append_events(request).await?.into_inner();
    Ok(answer.write.unwrap().version)
}

fn replacing(id: &str, expected_version: i64) -> pb::UpdateAggregateRequest {
    let state = Change::Replace(document(&json!({"level": 1})));
    pb::UpdateAggregateRequest {
        create_missing: true,
        expected_version: Some(expected_version),
        ..changed("guild", id, state)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_created_is_not_read_before() {
    is_not_read_before(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_created_on_postgres_is_not_read_before() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    is_not_read_before(World::on(postgres.url(), StateConfig::default()).await).await;
}

async fn is_not_read_before(world: World) {
    let client = world.client().await;
    let before = misses(&client).await;
    create(&client, "guild", "created", &json!({})).await.unwrap();
    update(&client, replacing("put", 0)).await.unwrap();
    assert_eq!(append(&client, "appended", 0).await.unwrap(), 1);
    assert_eq!(misses(&client).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_for_absent_what_is_there_is_told_what_is_there() {
    is_told_what_is_there(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_for_absent_what_postgres_has_is_told_what_is_there() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    is_told_what_is_there(World::on(postgres.url(), StateConfig::default()).await).await;
}

async fn is_told_what_is_there(mut world: World) {
    let client = world.client().await;
    for id in ["created", "put", "appended"] {
        create(&client, "guild", id, &json!({"level": 7})).await.unwrap();
    }
    create(&client, "player", "invalid", &json!({"level": 7})).await.unwrap();
    // Nothing is cached any more.
    drop(client);
    world.restart().await;
    let client = world.client().await;
    let events = world.events();

    let refused = create(&client, "guild", "created", &json!({})).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_EXISTS", "{refused:?}");
    assert_eq!(fact(&refused, "actualVersion").as_deref(), Some("1"), "{refused:?}");
    let refused = update(&client, replacing("put", 0)).await.unwrap_err();
    assert_eq!(reason(&refused), "VERSION_CONFLICT", "{refused:?}");
    assert_eq!(fact(&refused, "actualVersion").as_deref(), Some("1"), "{refused:?}");
    let refused = append(&client, "appended", 0).await.unwrap_err();
    assert_eq!(reason(&refused), "VERSION_CONFLICT", "{refused:?}");
    // That it is there comes before what is wrong with what would take its place.
    let wrong = create(&client, "player", "new", &json!({"level": "high"})).await.unwrap_err();
    assert_eq!(fields(&wrong), ["level"], "{wrong:?}");
    let refused =
        create(&client, "player", "invalid", &json!({"level": "high"})).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_EXISTS", "{refused:?}");
    assert_eq!(world.events(), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_created_on_top_of_its_history() {
    let mut world = World::new().await;
    let client = world.client().await;
    create(&client, "guild", "g", &json!({"level": 7})).await.unwrap();
    let gone = pb::DeleteAggregateRequest {
        r#type: "guild".to_owned(),
        id: "g".to_owned(),
        ..Default::default()
    };
    client.clone().delete_aggregate(gone).await.unwrap();
    drop(client);
    world.restart().await;
    let client = world.client().await;
    let created = create(&client, "guild", "g", &json!({"level": 1})).await.unwrap();
    assert_eq!(created.write.unwrap().version, 3);
}
