//! Entities in Redis: for the service a cache that is believed with proof only, for others hashes.

use std::time::Duration;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_testkit::redis::{Redis, RedisCluster};
use prost_types::value::Kind;

use super::calls::object;
use super::world::{Game, World};

/// Whatever is to happen has happened by then.
const TRIES: u32 = 600;

async fn put(game: &mut Game, id: &str, hp: f64) -> i64 {
    let request = pb::PutEntityRequest {
        entity_id: id.to_owned(),
        r#type: "chest".to_owned(),
        data: Some(object(&[("hp", Kind::NumberValue(hp))])),
        ..Default::default()
    };
    game.put_entity(request).await.unwrap().into_inner().entity.unwrap().version
}

async fn hp(game: &mut Game, id: &str) -> f64 {
    let request = pb::GetEntityRequest { entity_id: id.to_owned(), ..Default::default() };
    let entity = game.get_entity(request).await.unwrap().into_inner().entity.unwrap();
    match entity.data.unwrap().fields["hp"].kind {
        Some(Kind::NumberValue(hp)) => hp,
        _ => f64::NAN,
    }
}

/// Waits until a hash has a field with this value.
async fn until(what: impl Fn() -> anyhow::Result<String>, value: &str) {
    let mut last = String::new();
    for _ in 0..TRIES {
        if let Ok(found) = what() {
            if found.trim() == value {
                return;
            }
            last = found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{value} is expected: {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_are_copied_and_served_while_redis_comes_and_goes() {
    let redis = Redis::start().unwrap();
    let mut world = World::new().await;
    world.set_redis(redis.url());
    world.restart().await;
    let mut game = world.game().await;
    put(&mut game, "c1", 1.0).await;
    let version = put(&mut game, "c1", 2.0).await.to_string();
    let field = |name: &'static str| redis.command(&["HGET", "entity:c1", name]);
    until(|| field("version"), &version).await;
    assert_eq!(field("type").unwrap().trim(), "chest");
    assert_eq!(field("data").unwrap().trim(), "{\"hp\":2}");
    let left: i64 = redis.command(&["TTL", "entity:c1"]).unwrap().trim().parse().unwrap();
    assert!((1..=3_600).contains(&left), "{left}");

    redis.kill().unwrap();
    assert_eq!(hp(&mut game, "c1").await, 2.0);
    put(&mut game, "c1", 3.0).await;
    put(&mut game, "c2", 9.0).await;
    assert_eq!((hp(&mut game, "c1").await, hp(&mut game, "c2").await), (3.0, 9.0));
    redis.start_again().unwrap();
    // What changes next is copied again.
    for round in 0..TRIES {
        let version = put(&mut game, "c1", f64::from(round) + 4.0).await.to_string();
        tokio::time::sleep(Duration::from_millis(100)).await;
        if field("version").is_ok_and(|found| found.trim() == version) {
            break;
        }
        assert!(round + 1 < TRIES, "it is never copied again");
    }
    let request = pb::DeleteEntityRequest { entity_id: "c1".to_owned(), ..Default::default() };
    game.delete_entity(request).await.unwrap();
    until(|| field("deleted"), "1").await;
    assert_eq!(field("data").unwrap().trim(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_fails_over_and_copies_go_on() {
    let cluster = RedisCluster::start().unwrap();
    let mut world = World::new().await;
    world.set_redis(cluster.url());
    world.restart().await;
    let mut game = world.game().await;
    let id = |n: u32| format!("e{n}");
    for n in 0..20 {
        put(&mut game, &id(n), 1.0).await;
    }
    let primary = cluster.nodes().find(|node| cluster.is_primary(*node)).unwrap();
    cluster.kill(primary).unwrap();
    let left = cluster.nodes().find(|node| *node != primary).unwrap();
    // Nobody is refused, whatever slot is away.
    for n in 0..20 {
        put(&mut game, &id(n), 2.0).await;
        assert_eq!(hp(&mut game, &id(n)).await, 2.0);
    }
    let copied = async |n: u32, version: &str| {
        let key = format!("entity:{}", id(n));
        let found = cluster.command(left, &["-c", "HGET", &key, "version"]);
        found.is_ok_and(|found| found.trim() == version)
    };
    for n in 0..20 {
        for round in 0..TRIES {
            let version = put(&mut game, &id(n), f64::from(round) + 3.0).await.to_string();
            tokio::time::sleep(Duration::from_millis(100)).await;
            if copied(n, &version).await {
                break;
            }
            assert!(round + 1 < TRIES, "{} is never copied again", id(n));
        }
    }
}
