//! Registered types: as durable as what they describe.

use gamemesh_contracts::state::v1 as pb;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tonic::Status;

use super::calls::{create, fields, reason};
use super::world::{Client, World};

fn schema(name: &str, max: i64) -> pb::RegisterTypeRequest {
    let level = pb::value_schema::Kind::Int(pb::IntSchema { min: Some(0), max: Some(max) });
    let schema = pb::TypeSchema {
        fields: vec![pb::FieldSchema {
            path: "level".to_owned(),
            value: Some(pb::ValueSchema { kind: Some(level) }),
            ..Default::default()
        }],
        ..Default::default()
    };
    pb::RegisterTypeRequest { r#type: name.to_owned(), schema: Some(schema), ..Default::default() }
}

async fn flood(client: &Client, n: usize) {
    let note = pb::NewAggregateEvent { kind: "seen".to_owned(), ..Default::default() };
    let request = pb::AppendEventsRequest {
        r#type: "guild".to_owned(),
        id: format!("busy-{n}"),
        events: vec![note; 1_000],
        ..Default::default()
    };
    client.clone().append_events(request).await.unwrap();
}

async fn register(
    client: &Client,
    request: pb::RegisterTypeRequest,
) -> Result<pb::RegisterTypeResponse, Status> {
    client.clone().register_type(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_holds_from_the_start_although_the_tables_lag_behind_the_log() {
    let mut world = World::new().await;
    let client = world.client().await;
    futures::future::join_all((0..8).map(|n| flood(&client, n))).await;
    register(&client, schema("pet", 1)).await.unwrap();
    register(&client, schema("pet", 7)).await.unwrap();
    drop(client);

    // As after a crash before the tables were written.
    world.stop().await;
    let mut store = SqliteConnection::connect(&world.url()).await.unwrap();
    let behind = "DELETE FROM aggregate_states; UPDATE cursor SET position = 0";
    sqlx::raw_sql(behind).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
    world.start().await;

    let client = world.client().await;
    create(&client, "pet", "rex", &json!({"level": 7})).await.unwrap();
    let status = create(&client, "pet", "max", &json!({"level": 8})).await.unwrap_err();
    assert_eq!(reason(&status), "SCHEMA_VIOLATION", "{status:?}");
    let global = client.clone().get_global(pb::GetGlobalRequest::default()).await.unwrap();
    let global = global.into_inner().global.unwrap();
    assert_eq!(global.aggregates_by_type, [("pet".to_owned(), 1)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_registrations_the_last_version_holds() {
    let mut world = World::new().await;
    for round in 0..5 {
        let client = world.client().await;
        let name = format!("pet-{round}");
        let registrations = (1..=20).map(|max| register(&client, schema(&name, max)));
        for registered in futures::future::join_all(registrations).await {
            registered.unwrap();
        }
        let held = get_type(&client, &name).await;
        drop(client);
        world.restart().await;
        assert_eq!(held, get_type(&world.client().await, &name).await);
    }
}

async fn get_type(client: &Client, name: &str) -> pb::TypeSchema {
    let request = pb::GetTypeRequest { r#type: name.to_owned() };
    client.clone().get_type(request).await.unwrap().into_inner().schema.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_are_listed_with_those_that_ship_and_refused_when_they_cannot_be() {
    let world = World::new().await;
    let mut client = world.client().await;
    register(&client, schema("pet", 9)).await.unwrap();
    let types = client.list_types(pb::ListTypesRequest {}).await.unwrap().into_inner().schemas;
    let names: Vec<_> = types.iter().map(|schema| (&*schema.r#type, schema.builtin)).collect();
    let shipped = ["combat", "economy", "guild", "match"].map(|name| (name, true));
    assert_eq!(names[..4], shipped);
    assert_eq!(names[4..], [("pet", false), ("player", true), ("world", true)]);

    let events = world.events();
    let mut merged = schema("pet", 9);
    merged.schema.as_mut().unwrap().fields[0].merge = pb::Merge::Counter.into();
    for (request, field) in [
        (schema("player", 9), "type"),
        (schema("Pet", 9), "type"),
        (schema("_type", 9), "type"),
        (schema("", 9), "type"),
        (schema(&"t".repeat(65), 9), "type"),
        (
            pb::RegisterTypeRequest { r#type: "x".to_owned(), schema: None, ..Default::default() },
            "schema",
        ),
        (merged, "schema.fields.level"),
    ] {
        let status = register(&client, request).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_ARGUMENT", "{status:?}");
        assert_eq!(fields(&status), [field], "{status:?}");
    }
    assert_eq!(world.events(), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declaration_says_how_much_of_what_is_there_does_not_fit() {
    let world = World::new().await;
    let client = world.client().await;
    register(&client, schema("pet", 100)).await.unwrap();
    for level in [5, 50, 70] {
        create(&client, "pet", &format!("p{level}"), &json!({"level": level})).await.unwrap();
    }
    let events = world.events();
    let dry = pb::RegisterTypeRequest { dry_run: true, ..schema("pet", 10) };
    let answer = register(&client, dry).await.unwrap();
    assert_eq!((answer.examined, answer.unfit, answer.unfit_ids.len()), (3, 2, 2));
    assert_eq!(world.events(), events);
    create(&client, "pet", "p11", &json!({"level": 11})).await.unwrap();
    let answer = register(&client, schema("pet", 10)).await.unwrap();
    assert_eq!(answer.unfit_ids, ["p11", "p50", "p70"]);
    // What does not fit can be repaired, and deleted.
    let repair = super::calls::merge("pet", "p50", &json!({"level": 10}));
    super::calls::update(&client, repair).await.unwrap();
}
