//! What bad input gets: a typed error that names the field, and nothing half stored.

use gamemesh_contracts::memory::v1 as pb;
use prost_types::value::Kind;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::calls::{
    COLLECTION, at, collection, list, object, reason, recall_request, store, store_request, text,
};
use super::world::{NOW_US, World};

fn field(status: &Status) -> String {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    violations.unwrap_or_default().first().map(|one| one.field.clone()).unwrap_or_default()
}

#[tokio::test]
async fn stores() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    type Change = fn(&mut pb::StoreMemoryRequest);
    fn content(request: &mut pb::StoreMemoryRequest) -> &mut pb::MemoryContent {
        request.content.as_mut().unwrap()
    }
    let table: [(&str, Change, &str, &str); 21] = [
        ("no content", |r| r.content = None, "INVALID_ARGUMENT", "content"),
        ("empty text", |r| content(r).text = "  ".into(), "INVALID_ARGUMENT", "content.text"),
        ("1 MB", |r| content(r).text = "x".repeat(1 << 20), "INVALID_ARGUMENT", "content.text"),
        ("NUL", |r| content(r).text = "a\0b".into(), "INVALID_ARGUMENT", "content.text"),
        ("two numbers", |r| content(r).vector = vec![1.0; 2], "INVALID_ARGUMENT", "content.vector"),
        ("65,536", |r| content(r).vector = vec![1.0; 65_536], "INVALID_ARGUMENT", "content.vector"),
        ("zeros", |r| content(r).vector = vec![0.0; 3], "INVALID_ARGUMENT", "content.vector"),
        ("NaN", |r| content(r).vector = vec![f32::NAN; 3], "INVALID_ARGUMENT", "content.vector"),
        (
            "infinity",
            |r| content(r).vector[0] = f32::INFINITY,
            "INVALID_ARGUMENT",
            "content.vector",
        ),
        (
            "importance",
            |r| content(r).importance = Some(11.0),
            "INVALID_ARGUMENT",
            "content.importance",
        ),
        (
            "NaN",
            |r| content(r).importance = Some(f64::NAN),
            "INVALID_ARGUMENT",
            "content.importance",
        ),
        (
            "subject",
            |r| content(r).subjects = vec!["a\nb".into()],
            "INVALID_ARGUMENT",
            "content.subjects",
        ),
        (
            "65 subjects",
            |r| content(r).subjects = vec!["a".into(); 65],
            "INVALID_ARGUMENT",
            "content.subjects",
        ),
        (
            "source",
            |r| content(r).sources = vec!["x".into()],
            "INVALID_ARGUMENT",
            "content.sources",
        ),
        (
            "validity",
            |r| {
                content(r).valid_from = at(NOW_US);
                content(r).valid_until = at(NOW_US);
            },
            "INVALID_ARGUMENT",
            "content.validUntil",
        ),
        (
            "year 10000",
            |r| content(r).created_at = at(253_402_300_800_000_000),
            "INVALID_ARGUMENT",
            "content.createdAt",
        ),
        (
            "model",
            |r| content(r).model = Some(pb::Model { name: "other".into(), version: "1".into() }),
            "INVALID_ARGUMENT",
            "model",
        ),
        ("no such place", |r| r.collection_id = "nowhere".into(), "NOT_FOUND", ""),
        ("npc", |r| r.npc_id = String::new(), "INVALID_ARGUMENT", "npcId"),
        ("long npc", |r| r.npc_id = "n".repeat(129), "INVALID_ARGUMENT", "npcId"),
        ("key", |r| r.idempotency_key = "k".repeat(257), "INVALID_ARGUMENT", "idempotencyKey"),
    ];
    for (what, change, code, at_field) in table {
        let mut request = store_request("klaus", text("the rain"));
        request.content.as_mut().unwrap().vector = vec![1.0, 2.0, 3.0];
        if what == "empty text" {
            request.content.as_mut().unwrap().vector = Vec::new();
        }
        change(&mut request);
        let refused = client.store_memory(request).await.unwrap_err();
        assert_eq!(
            (reason(&refused).as_str(), field(&refused).as_str()),
            (code, at_field),
            "{what}"
        );
    }
    // A number that a double cannot hold exactly would come back as another.
    let metadata = object(&[("mood", Kind::NumberValue(9_007_199_254_740_994.0))]);
    let mut request = store_request("klaus", text("x"));
    request.content.as_mut().unwrap().metadata = Some(metadata);
    assert_eq!(field(&client.store_memory(request).await.unwrap_err()), "content.metadata.mood");
    assert!(list(&mut client, "klaus").await.is_empty());
}

#[tokio::test]
async fn recalls() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    store(&mut client, "klaus", text("multi-agent systems, a'b and more")).await;
    type Change = fn(&mut pb::RecallRequest);
    fn filter(request: &mut pb::RecallRequest, text: &str) {
        request.filter = Some(pb::MemoryFilter { filter: text.into(), ..Default::default() });
    }
    let table: [(&str, Change, &str); 16] = [
        ("k 0", |r| r.top_k = 0, "topK"),
        ("k -1", |r| r.top_k = -1, "topK"),
        ("k 10^9", |r| r.top_k = 1_000_000_000, "topK"),
        ("long text", |r| r.text = "x".repeat(65_537), "text"),
        ("dimension", |r| r.vector = vec![1.0; 4], "vector"),
        ("zeros", |r| r.vector = vec![0.0; 3], "vector"),
        ("unknown field", |r| filter(r, "colour = 1"), "filter"),
        ("unknown metadata", |r| filter(r, "metadata.colour = 1"), "filter"),
        ("aggregate", |r| filter(r, "_id = \"x\""), "filter"),
        ("quote", |r| filter(r, "metadata.\"mood' OR 1=1\" = 1"), "filter"),
        ("syntax", |r| filter(r, "metadata.mood ="), "filter"),
        (
            "weight",
            |r| {
                r.profile =
                    Some(pb::ScoreProfile { relevance_weight: Some(-1.0), ..Default::default() });
            },
            "profile.relevanceWeight",
        ),
        (
            "half-life",
            |r| {
                r.profile = Some(pb::ScoreProfile {
                    recency: Some(pb::score_profile::Recency::HalfLifeHours(f64::NAN)),
                    ..Default::default()
                });
            },
            "profile.halfLifeHours",
        ),
        (
            "share",
            |r| {
                r.profile = Some(pb::ScoreProfile {
                    fusion: Some(pb::score_profile::Fusion::VectorShare(2.0)),
                    ..Default::default()
                });
            },
            "profile.vectorShare",
        ),
        (
            "kind",
            |r| r.filter = Some(pb::MemoryFilter { kinds: vec![77], ..Default::default() }),
            "filter.kinds",
        ),
        (
            "two validities",
            |r| {
                r.filter = Some(pb::MemoryFilter {
                    valid_at: at(NOW_US),
                    any_validity: true,
                    ..Default::default()
                });
            },
            "filter.anyValidity",
        ),
    ];
    for (what, change, at_field) in table {
        let mut request = recall_request("klaus", "multi", 3);
        change(&mut request);
        let refused = client.recall(request).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_ARGUMENT", "{what}");
        assert_eq!(field(&refused), at_field, "{what}");
    }
    // What looks like the syntax of a search engine is text.
    for words in ["multi-agent", "a'b", "\"", "multi OR", "NEAR(", "*", "🐉", "\u{202e}dlo", " "]
    {
        let answer = client.recall(recall_request("klaus", words, 3)).await.unwrap();
        assert_eq!(answer.into_inner().memories.len(), 1, "{words}");
    }
}

#[tokio::test]
async fn memories_of_others_and_of_nobody() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let id = store(&mut client, "klaus", text("mine")).await.memory_id;
    let nobody = "00000000-0000-7000-8000-000000000000".to_owned();
    for (npc, id) in [("maria", id), ("klaus", nobody)] {
        let get = pb::GetMemoryRequest {
            collection_id: COLLECTION.into(),
            npc_id: npc.into(),
            memory_id: id.clone(),
            with_vector: false,
        };
        assert_eq!(reason(&client.get_memory(get).await.unwrap_err()), "NOT_FOUND");
        for hard in [false, true] {
            let forget = pb::ForgetMemoryRequest {
                collection_id: COLLECTION.into(),
                npc_id: npc.into(),
                memory_id: id.clone(),
                hard,
            };
            assert_eq!(reason(&client.forget_memory(forget).await.unwrap_err()), "NOT_FOUND");
        }
    }
    assert_eq!(list(&mut client, "klaus").await.len(), 1);
}
