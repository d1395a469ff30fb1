//! Requests, and what is read from answers.

use gamemesh_contracts::memory::v1 as pb;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::world::Client;

pub(super) const COLLECTION: &str = "npcs";

/// A collection of vectors of three numbers, whose memories can be filtered by `mood` and `place`.
pub(super) async fn collection(client: &mut Client) -> pb::Collection {
    put_collection(client, |_| {}).await
}

pub(super) async fn put_collection(
    client: &mut Client,
    change: impl FnOnce(&mut pb::Collection),
) -> pb::Collection {
    let mut collection = pb::Collection {
        dimension: 3,
        model: Some(pb::Model { name: "test".to_owned(), version: "1".to_owned() }),
        filterable: vec!["mood".to_owned(), "place".to_owned()],
        ..pb::Collection::default()
    };
    change(&mut collection);
    let request = pb::PutCollectionRequest {
        collection_id: COLLECTION.to_owned(),
        collection: Some(collection),
        expected_version: None,
    };
    client.put_collection(request).await.unwrap().into_inner().collection.unwrap()
}

pub(super) fn text(text: &str) -> pb::MemoryContent {
    pb::MemoryContent { text: text.to_owned(), ..pb::MemoryContent::default() }
}

pub(super) fn store_request(npc: &str, content: pb::MemoryContent) -> pb::StoreMemoryRequest {
    pb::StoreMemoryRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc.to_owned(),
        content: Some(content),
        idempotency_key: String::new(),
    }
}

pub(super) async fn store(
    client: &mut Client,
    npc: &str,
    content: pb::MemoryContent,
) -> pb::Memory {
    let answer = client.store_memory(store_request(npc, content)).await.unwrap();
    answer.into_inner().memory.unwrap()
}

pub(super) fn recall_request(npc: &str, text: &str, top_k: i32) -> pb::RecallRequest {
    pb::RecallRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc.to_owned(),
        text: text.to_owned(),
        top_k,
        without_access: true,
        ..pb::RecallRequest::default()
    }
}

/// The texts that come to mind, best first.
pub(super) async fn recalled(client: &mut Client, request: pb::RecallRequest) -> Vec<String> {
    let answer = client.recall(request).await.unwrap().into_inner();
    answer.memories.into_iter().map(|one| content(one.memory).text).collect()
}

pub(super) fn content(memory: Option<pb::Memory>) -> pb::MemoryContent {
    memory.unwrap().content.unwrap()
}

pub(super) async fn list(client: &mut Client, npc: &str) -> Vec<pb::Memory> {
    let request = pb::ListMemoriesRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc.to_owned(),
        page_size: 1_000,
        ..pb::ListMemoriesRequest::default()
    };
    client.list_memories(request).await.unwrap().into_inner().memories
}

pub(super) async fn forget(client: &mut Client, npc: &str, id: &str, hard: bool) -> i64 {
    let request = pb::ForgetMemoryRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc.to_owned(),
        memory_id: id.to_owned(),
        hard,
    };
    client.forget_memory(request).await.unwrap().into_inner().forgotten
}

pub(super) fn get_request(npc: &str, id: &str) -> pb::GetMemoryRequest {
    pb::GetMemoryRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc.to_owned(),
        memory_id: id.to_owned(),
        with_vector: true,
    }
}

pub(super) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

pub(super) fn object(fields: &[(&str, prost_types::value::Kind)]) -> prost_types::Struct {
    let value = |kind: &prost_types::value::Kind| prost_types::Value { kind: Some(kind.clone()) };
    let fields = fields.iter().map(|(name, kind)| ((*name).to_owned(), value(kind)));
    prost_types::Struct { fields: fields.collect() }
}

pub(super) fn at(time_us: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: time_us.div_euclid(1_000_000),
        nanos: (time_us.rem_euclid(1_000_000) * 1_000) as i32,
    })
}
