//! What bad input gets: a typed error that names the field and what it accepts, the same over gRPC and
//! over REST, nothing written, and a service that answers the next request as if nothing had been.

mod changes;
mod names;
mod places;
mod row;
mod wire;

use serde_json::json;

use self::row::Row;
use super::calls::{at_version, create, get, update};
use super::world::{Client, World};

/// What the rows look at: an aggregate with three versions, and a player.
async fn seeded(world: &World) -> Client {
    let client = world.client().await;
    let most = json!({"balances": {"gold": 9_007_199_254_740_991_i64}, "owner": "o"});
    create(&client, "economy", "seed", &most).await.unwrap();
    for n in 0..2 {
        let patch = super::calls::merge("economy", "seed", &json!({"step": n}));
        update(&client, patch).await.unwrap();
    }
    create(&client, "player", "seed", &json!({"level": 3})).await.unwrap();
    client
}

async fn check_all(rows: Vec<Row>) {
    let world = World::new().await;
    let client = seeded(&world).await;
    let mut wrong = Vec::new();
    for row in rows {
        let before = world.events();
        let what = row.what;
        wrong.extend(row.check(&world, &client).await);
        if world.events() != before {
            wrong.push(format!("{what}: something was written"));
        }
        let good = get(&client, "economy", "seed").await.map(|answer| answer.aggregate.unwrap());
        if good.as_ref().map_or(0, |good| good.version) != 3 {
            wrong.push(format!("{what}: the next request was answered with {good:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_parameters_that_cannot_be() {
    check_all(names::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_times_and_pages_that_do_not_exist() {
    check_all(places::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_cannot_be_made() {
    check_all(changes::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_in_any_script_are_taken_as_they_are() {
    let world = World::new().await;
    let client = world.client().await;
    let ids = ["לוחם", "مقاتل-٧", "🎲🧙‍♀️", "a/b c?d#e%f", "ÿ\u{10ffff}", &"é".repeat(128)];
    for id in ids {
        create(&client, "economy", id, &json!({"owner": id})).await.unwrap();
        let over_grpc = at_version(&client, "economy", id, 1).await.unwrap();
        assert_eq!(over_grpc.id, id);
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/api/v1/state/aggregates/economy/{encoded}");
        let over_rest = world.http("GET", &path, &[], "").await;
        assert_eq!((over_rest.status, &over_rest.json()["aggregate"]["id"]), (200, &json!(id)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_no_requests() {
    let world = World::new().await;
    let client = seeded(&world).await;
    let before = world.events();
    wire::rest(&world).await;
    wire::grpc(&world).await;
    assert_eq!(world.events(), before);
    assert_eq!(get(&client, "economy", "seed").await.unwrap().freshness.unwrap().version, 3);
}
