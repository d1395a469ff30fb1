use gamemesh_contracts::memory::v1 as pb;

use super::calls::{
    COLLECTION, collection, content, get_request, list, put_collection, reason, recall_request,
    recalled, store, store_request, text,
};
use super::world::World;

#[tokio::test]
async fn what_is_stored_is_recalled_also_after_a_restart() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for one in ["the dragon burned the mill", "the merchant sells apples", "it rained all night"] {
        store(&mut client, "klaus", text(one)).await;
    }
    let asked = || recall_request("klaus", "who burned the mill?", 2);
    let before = recalled(&mut client, asked()).await;
    assert_eq!(before[0], "the dragon burned the mill");
    assert_eq!(before.len(), 2);
    world.restart().await;
    let mut client = world.client().await;
    assert_eq!(recalled(&mut client, asked()).await, before);
    assert_eq!(list(&mut client, "klaus").await.len(), 3);
}

/// One key, one memory, however often it is sent.
#[tokio::test]
async fn a_store_retried_is_one_memory() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let request = pb::StoreMemoryRequest {
        idempotency_key: "k1".to_owned(),
        ..store_request("klaus", text("the bell rang"))
    };
    let first = client.store_memory(request.clone()).await.unwrap().into_inner();
    let again = client.store_memory(request.clone()).await.unwrap().into_inner();
    assert!(!first.repeated_write && again.repeated_write);
    assert_eq!(first.memory.unwrap().memory_id, again.memory.clone().unwrap().memory_id);
    world.restart().await;
    let mut client = world.client().await;
    let after = client.store_memory(request.clone()).await.unwrap().into_inner();
    assert_eq!(after.memory, again.memory);
    assert_eq!(list(&mut client, "klaus").await.len(), 1);

    let mut other = request;
    other.content = Some(text("the bell did not ring"));
    let refused = client.store_memory(other).await.unwrap_err();
    assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn several_are_stored_each_by_itself() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let mut requests: Vec<_> =
        (0..200).map(|n| store_request("klaus", text(&format!("step {n}")))).collect();
    requests[77].content = Some(text(""));
    let request = pb::BatchStoreMemoriesRequest { collection_id: COLLECTION.to_owned(), requests };
    let results = client.batch_store_memories(request).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 200);
    for (at, result) in results.into_iter().enumerate() {
        match result.result.unwrap() {
            pb::store_result::Result::Stored(stored) => {
                assert_eq!(content(stored.memory).text, format!("step {at}"));
            }
            pb::store_result::Result::Refusal(refusal) => {
                assert_eq!((at, refusal.field.as_str()), (77, "content.text"));
            }
        }
    }
    assert_eq!(list(&mut client, "klaus").await.len(), 199);
}

/// A vector comes back as it came, not as the index has it.
#[tokio::test]
async fn a_vector_comes_back_as_it_came() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let mut content = text("x");
    content.vector = vec![1.0, 2.0, 1.7e20];
    let stored = store(&mut client, "klaus", content).await;
    assert_eq!(stored.embedding(), pb::EmbeddingState::Done);
    world.restart().await;
    let mut client = world.client().await;
    let got = client.get_memory(get_request("klaus", &stored.memory_id)).await.unwrap();
    assert_eq!(got.into_inner().memory.unwrap().content.unwrap().vector, [1.0, 2.0, 1.7e20]);
}

#[tokio::test]
async fn an_update_is_conditional_and_its_old_words_find_nothing() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let stored = store(&mut client, "klaus", text("the key is under the mat")).await;
    let request = |words: &str, expected| pb::UpdateMemoryRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: "klaus".to_owned(),
        memory_id: stored.memory_id.clone(),
        content: Some(text(words)),
        update_mask: Some(prost_types::FieldMask { paths: vec!["text".to_owned()] }),
        expected_version: expected,
    };
    let updated = client.update_memory(request("the key is in the well", Some(1))).await.unwrap();
    assert_eq!(updated.into_inner().memory.unwrap().version, 2);
    let refused = client.update_memory(request("the key is lost", Some(1))).await.unwrap_err();
    assert_eq!(reason(&refused), "VERSION_CONFLICT");
    for _ in 0..2 {
        let explained = pb::RecallRequest { explain: true, ..recall_request("klaus", "mat", 5) };
        let answer = client.recall(explained).await.unwrap().into_inner();
        assert_eq!(answer.memories[0].explanation.unwrap().words, Some(0.0));
        assert_eq!(content(answer.memories[0].memory.clone()).text, "the key is in the well");
        world.restart().await;
        client = world.client().await;
    }
}

#[tokio::test]
async fn what_vectors_rest_on_cannot_be_changed() {
    let world = World::new().await;
    let mut client = world.client().await;
    let made = collection(&mut client).await;
    let changed = put_collection(&mut client, |collection| collection.budget = 7).await;
    assert_eq!((changed.budget, changed.version), (7, made.version + 1));
    let changes: [fn(&mut pb::Collection); 3] = [
        |collection| collection.dimension = 4,
        |collection| collection.metric = pb::Metric::Dot.into(),
        |collection| collection.model.as_mut().unwrap().version = "2".to_owned(),
    ];
    for change in changes {
        let mut collection = changed.clone();
        change(&mut collection);
        let request = pb::PutCollectionRequest {
            collection_id: COLLECTION.to_owned(),
            collection: Some(collection),
            expected_version: None,
        };
        let refused = client.put_collection(request).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn lists_go_by_pages() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for n in 0..25 {
        world.clock.advance(std::time::Duration::from_secs(1));
        store(&mut client, "klaus", text(&format!("day {n}"))).await;
    }
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListMemoriesRequest {
            collection_id: COLLECTION.to_owned(),
            npc_id: "klaus".to_owned(),
            page_size: 10,
            page_token,
            ..pb::ListMemoriesRequest::default()
        };
        let page = client.list_memories(request).await.unwrap().into_inner();
        seen.extend(page.memories.into_iter().map(|memory| memory.content.unwrap().text));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // What comes meanwhile is newer than what is still to be shown.
        world.clock.advance(std::time::Duration::from_secs(1));
        store(&mut client, "klaus", text("meanwhile")).await;
    }
    let expected: Vec<String> = (0..25).rev().map(|n| format!("day {n}")).collect();
    assert_eq!(seen, expected);
}
