//! What is erased is in no file any more.

use std::fs;
use std::path::Path;

use gamemesh_contracts::memory::v1 as pb;

use super::calls::{collection, forget, get_request, list, store, text};
use super::world::World;

/// Whether a file of this folder has these bytes.
fn is_in_files(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in_files(&path, bytes);
        }
        let content = fs::read(&path).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

fn about(player: &str, words: &str) -> pb::MemoryContent {
    pb::MemoryContent { subjects: vec![player.to_owned()], ..text(words) }
}

#[tokio::test]
async fn a_memory_erased_is_in_no_file() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let mut canary = text("the CANARYWORD sings of Zanzibar");
    canary.vector = vec![0.123_456_79, 0.987_654_3, 0.555_555_6];
    let vector: Vec<u8> = canary.vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    // Many neighbours, so that pages are split and merged around it.
    for n in 0..200 {
        store(&mut client, "klaus", text(&format!("{n} {}", "filler ".repeat(n % 40)))).await;
    }
    let stored = store(&mut client, "klaus", canary).await;
    for n in 0..200 {
        store(&mut client, "klaus", text(&format!("{n} {}", "more ".repeat(n % 60)))).await;
    }
    assert!(is_in_files(&world.folder(), b"CANARYWORD") && is_in_files(&world.folder(), &vector));
    assert_eq!(forget(&mut client, "klaus", &stored.memory_id, true).await, 1);
    assert!(!is_in_files(&world.folder(), b"CANARYWORD"));
    assert!(!is_in_files(&world.folder(), &vector));
    assert_eq!(list(&mut client, "klaus").await.len(), 400);
    assert!(client.get_memory(get_request("klaus", &stored.memory_id)).await.is_err());
}

/// One subject is erased everywhere; another keeps what is its own.
#[tokio::test]
async fn a_subject_is_erased_everywhere_and_another_keeps_its_own() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for npc in ["klaus", "maria"] {
        for n in 0..5 {
            store(&mut client, npc, about("player-a", &format!("CANARYWORD {npc} {n}"))).await;
            store(&mut client, npc, about("player-b", &format!("other {npc} {n}"))).await;
        }
    }
    let request =
        pb::EraseSubjectRequest { subject_id: "player-a".to_owned(), collection_id: String::new() };
    let erased = client.erase_subject(request.clone()).await.unwrap().into_inner();
    assert_eq!(erased.memories, 10);
    assert!(!is_in_files(&world.folder(), b"CANARYWORD"));
    world.restart().await;
    let mut client = world.client().await;
    for npc in ["klaus", "maria"] {
        assert_eq!(list(&mut client, npc).await.len(), 5);
    }
    assert_eq!(client.erase_subject(request).await.unwrap().into_inner().memories, 0);
}

/// A conclusion goes with what it rests on, and a conclusion from it, too.
#[tokio::test]
async fn conclusions_go_with_their_sources() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let first = store(&mut client, "klaus", about("player-a", "he stole bread")).await.memory_id;
    let other = store(&mut client, "klaus", text("it rains")).await.memory_id;
    let conclusion = |from: &str, words: &str| pb::MemoryContent {
        kind: pb::MemoryKind::Reflection.into(),
        sources: vec![from.to_owned()],
        ..text(words)
    };
    let second =
        store(&mut client, "klaus", conclusion(&first, "CANARYWORD he is a thief")).await.memory_id;
    store(&mut client, "klaus", conclusion(&second, "CANARYWORD watch him")).await;
    store(&mut client, "klaus", conclusion(&other, "the roof leaks")).await;
    let request =
        pb::EraseSubjectRequest { subject_id: "player-a".to_owned(), collection_id: String::new() };
    assert_eq!(client.erase_subject(request).await.unwrap().into_inner().memories, 3);
    assert!(!is_in_files(&world.folder(), b"CANARYWORD"));
    assert_eq!(list(&mut client, "klaus").await.len(), 2);
}
