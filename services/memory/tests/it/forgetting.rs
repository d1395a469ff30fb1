use std::time::Duration;

use futures::StreamExt as _;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_testkit::postgres::Postgres;

use super::calls::{
    COLLECTION, at, collection, content, forget, list, put_collection, recall_request, recalled,
    store, text,
};
use super::world::{NOW_US, World};

#[tokio::test]
async fn what_is_forgotten_softly_comes_back() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let stored = store(&mut client, "klaus", text("the old song")).await;
    forget(&mut client, "klaus", &stored.memory_id, false).await;
    assert!(recalled(&mut client, recall_request("klaus", "song", 5)).await.is_empty());
    world.restart().await;
    let mut client = world.client().await;
    assert!(list(&mut client, "klaus").await.is_empty());
    let request = pb::RestoreMemoryRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: "klaus".to_owned(),
        memory_id: stored.memory_id,
    };
    client.restore_memory(request).await.unwrap();
    assert_eq!(recalled(&mut client, recall_request("klaus", "song", 5)).await, ["the old song"]);
}

/// What does not hold any more does not push out what does.
#[tokio::test]
async fn expired_memories_do_not_take_the_places_of_live_ones() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for n in 0..61 {
        let expired = pb::MemoryContent {
            valid_until: at(NOW_US - 1),
            importance: Some(10.0),
            ..text(&format!("the gate is open {n}"))
        };
        store(&mut client, "klaus", expired).await;
    }
    for words in ["the gate is shut", "the gate has a new lock"] {
        store(&mut client, "klaus", text(words)).await;
    }
    let mut found = recalled(&mut client, recall_request("klaus", "gate open", 2)).await;
    found.sort();
    assert_eq!(found, ["the gate has a new lock", "the gate is shut"]);
    let mut past = recall_request("klaus", "gate open", 1_000);
    past.filter = Some(pb::MemoryFilter { valid_at: at(NOW_US - 2), ..Default::default() });
    assert_eq!(recalled(&mut client, past).await.len(), 63);
}

#[tokio::test]
async fn a_new_memory_takes_the_place_of_an_old_one() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let old = store(&mut client, "klaus", text("the deadline is 15 October")).await.memory_id;
    let new = pb::MemoryContent { supersedes: old.clone(), ..text("the deadline is 16 October") };
    let new = store(&mut client, "klaus", new).await.memory_id;
    let found = recalled(&mut client, recall_request("klaus", "deadline", 5)).await;
    assert_eq!(found, ["the deadline is 16 October"]);
    let mut all = recall_request("klaus", "deadline", 5);
    all.filter = Some(pb::MemoryFilter { with_forgotten: true, ..Default::default() });
    let answer = client.recall(all).await.unwrap().into_inner();
    let gone = answer.memories.into_iter().map(|m| m.memory.unwrap());
    let gone: Vec<pb::Memory> = gone.filter(|memory| memory.memory_id == old).collect();
    assert_eq!(gone[0].replaced_by, new);
    assert_eq!(gone[0].forgotten(), pb::ForgetReason::Superseded);
}

#[tokio::test]
async fn beyond_the_budget_the_weakest_leave() {
    let world = World::new().await;
    let mut client = world.client().await;
    put_collection(&mut client, |collection| collection.budget = 3).await;
    let mut ids = Vec::new();
    for (importance, pinned) in [(1.0, true), (2.0, false), (9.0, false), (3.0, false)] {
        let content = pb::MemoryContent {
            importance: Some(importance),
            pinned,
            ..text(&format!("of importance {importance}"))
        };
        let request = super::calls::store_request("klaus", content);
        let answer = client.store_memory(request).await.unwrap().into_inner();
        ids.push((answer.memory.unwrap().memory_id, answer.evicted));
    }
    assert_eq!(ids[3].1, [ids[1].0.clone()]);
    assert_eq!(list(&mut client, "klaus").await.len(), 3);
}

/// Two that say the same become one; what contradicts stays, and is told.
#[tokio::test]
async fn duplicates_are_merged_and_contradictions_stay() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let facts = [
        ("the deadline is 15 October", [1.0, 0.0, 0.0]),
        ("HQ is in San Francisco", [0.0, 1.0, 0.0]),
        ("the deadline is 16 October", [1.0, 0.05, 0.0]),
        ("HQ is in New York", [0.05, 1.0, 0.0]),
        ("the guard sleeps", [0.0, 0.0, 1.0]),
        ("the guard is sleeping", [0.0, 0.01, 1.0]),
    ];
    for (words, vector) in facts {
        let content = pb::MemoryContent { vector: vector.to_vec(), ..text(words) };
        store(&mut client, "klaus", content).await;
    }
    let request = |dry_run| pb::MergeMemoriesRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: "klaus".to_owned(),
        dry_run,
    };
    let plan = client.merge_memories(request(true)).await.unwrap().into_inner();
    assert_eq!(list(&mut client, "klaus").await.len(), 6);
    let merged = client.merge_memories(request(false)).await.unwrap().into_inner();
    assert_eq!(plan, merged);
    assert_eq!((merged.groups.len(), merged.conflicts.len()), (1, 2));
    let left = list(&mut client, "klaus").await;
    assert_eq!(left.len(), 5);
    let kept = left.iter().find(|memory| memory.memory_id == merged.groups[0].kept).unwrap();
    assert_eq!(kept.merged, 1);
    assert!(client.merge_memories(request(false)).await.unwrap().into_inner().groups.is_empty());
}

#[tokio::test]
async fn what_came_to_mind_is_noted_a_little_later() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    store(&mut client, "klaus", text("the well is dry")).await;
    world.clock.advance(Duration::from_secs(100));
    let mut asked = recall_request("klaus", "well", 1);
    asked.without_access = false;
    for _ in 0..3 {
        client.recall(asked.clone()).await.unwrap();
    }
    // What waits is written before the end.
    world.restart().await;
    let mut client = world.client().await;
    let memory = list(&mut client, "klaus").await.remove(0);
    assert_eq!((memory.accesses, memory.version), (3, 1));
    assert_eq!(memory.accessed_at, at(NOW_US + 100_000_000));
}

#[tokio::test]
async fn reflection_is_due_once_enough_has_gathered() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let request = pb::WatchReflectionsRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: String::new(),
        threshold: 20.0,
    };
    let mut due = client.clone().watch_reflections(request).await.unwrap().into_inner();
    let mut ids = Vec::new();
    for n in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        let content = pb::MemoryContent { importance: Some(8.0), ..text(&format!("event {n}")) };
        ids.push(store(&mut client, "klaus", content).await.memory_id);
    }
    let first = tokio::time::timeout(Duration::from_secs(10), due.next()).await;
    let first = first.unwrap().unwrap().unwrap();
    assert_eq!((first.npc_id.as_str(), first.importance >= 20.0), ("klaus", true));
    // Told once until he has reflected.
    assert!(tokio::time::timeout(Duration::from_millis(300), due.next()).await.is_err());
    world.clock.advance(Duration::from_secs(1));
    let reflection = pb::MemoryContent {
        kind: pb::MemoryKind::Reflection.into(),
        sources: ids,
        ..text("much happens here")
    };
    store(&mut client, "klaus", reflection).await;
    for n in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        let content = pb::MemoryContent { importance: Some(9.0), ..text(&format!("later {n}")) };
        store(&mut client, "klaus", content).await;
    }
    let next = tokio::time::timeout(Duration::from_secs(10), due.next()).await;
    let next = next.unwrap().unwrap().unwrap();
    assert_eq!((next.importance, next.memory_ids.len()), (27.0, 3));
    assert_eq!(content(list(&mut client, "klaus").await.pop()).text, "event 0");
}

/// What gathers is in the rows: a watch that begins after a restart tells what was stored before it.
async fn a_reflection_is_due_after_a_restart(mut world: World) {
    let mut client = world.client().await;
    collection(&mut client).await;
    for n in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        let content = pb::MemoryContent { importance: Some(8.0), ..text(&format!("event {n}")) };
        store(&mut client, "klaus", content).await;
    }
    world.restart().await;
    let mut client = world.client().await;
    let request = pb::WatchReflectionsRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: "klaus".to_owned(),
        threshold: 20.0,
    };
    let mut due = client.watch_reflections(request.clone()).await.unwrap().into_inner();
    let first = tokio::time::timeout(Duration::from_secs(20), due.next()).await;
    let first = first.unwrap().unwrap().unwrap();
    assert_eq!((first.importance, first.memory_ids.len()), (24.0, 3));
    world.clock.advance(Duration::from_secs(1));
    let reflection = pb::MemoryContent {
        kind: pb::MemoryKind::Reflection.into(),
        sources: first.memory_ids,
        ..text("much happens here")
    };
    store(&mut client, "klaus", reflection).await;
    drop(due);
    world.restart().await;
    // He has reflected: nothing is due, until enough has gathered anew.
    let mut client = world.client().await;
    let mut due = client.watch_reflections(request).await.unwrap().into_inner();
    assert!(tokio::time::timeout(Duration::from_millis(500), due.next()).await.is_err());
    for n in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        let content = pb::MemoryContent { importance: Some(7.0), ..text(&format!("later {n}")) };
        store(&mut client, "klaus", content).await;
    }
    let next = tokio::time::timeout(Duration::from_secs(20), due.next()).await;
    assert_eq!(next.unwrap().unwrap().unwrap().importance, 21.0);
}

#[tokio::test]
async fn reflections_on_sqlite() {
    a_reflection_is_due_after_a_restart(World::new().await).await;
}

#[tokio::test]
async fn reflections_on_postgres() {
    let postgres = Postgres::start().unwrap();
    a_reflection_is_due_after_a_restart(World::on(postgres.url()).await).await;
}
