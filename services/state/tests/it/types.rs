//! Registered types: as durable as what they describe.

use gamemesh_contracts::state::v1 as pb;
use serde_json::json;
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
    pb::RegisterTypeRequest { r#type: name.to_owned(), schema: Some(schema) }
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
async fn a_type_holds_from_its_acknowledgement_on_also_right_after_a_restart() {
    let mut world = World::new().await;
    for round in 1..=4 {
        let client = world.client().await;
        // The tables have much to catch up with before they come to the type.
        let floods = (0..8).map(|n| flood(&client, n));
        futures::future::join_all(floods).await;
        register(&client, schema("pet", round)).await.unwrap();
        world.crash().await;
        let client = world.client().await;
        let id = format!("rex-{round}");
        create(&client, "pet", &id, &json!({"level": round})).await.unwrap();
        let status = create(&client, "pet", "max", &json!({"level": round + 1})).await.unwrap_err();
        assert_eq!(reason(&status), "SCHEMA_VIOLATION", "{status:?}");
    }
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
        (pb::RegisterTypeRequest { r#type: "x".to_owned(), schema: None }, "schema"),
        (merged, "schema.fields.level"),
    ] {
        let status = register(&client, request).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_ARGUMENT", "{status:?}");
        assert_eq!(fields(&status), [field], "{status:?}");
    }
    assert_eq!(world.events(), events);
}
