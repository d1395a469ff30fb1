//! Vectors that a model makes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::Model;
use gamemesh_memory::MemoryConfig;
use gamemesh_memory::embedder::minilm::MiniLm;
use gamemesh_memory::embedder::{Embedded, Embedder, Refused};

use super::calls::{
    COLLECTION, collection, list, put_collection, reason, recall_request, recalled, store, text,
};
use super::world::{Client, World};

/// Counts letters; it can be away, and it refuses one word.
pub(super) struct Letters {
    model: Model,
    pub(super) away: AtomicBool,
}

impl Letters {
    fn new(version: &str) -> Arc<Self> {
        Arc::new(Self { model: Model::parse("test", version).unwrap(), away: false.into() })
    }
}

#[async_trait]
impl Embedder for Letters {
    fn model(&self) -> &Model {
        &self.model
    }

    fn dimension(&self) -> usize {
        3
    }

    fn batch_max(&self) -> usize {
        4
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Embedded>, Refused> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Refused::Away("down".to_owned()));
        }
        if texts.iter().any(|text| text.contains("unspeakable")) {
            return Err(Refused::Text("no".to_owned()));
        }
        let count = |text: &String, letters: &str| {
            1.0 + text.chars().filter(|c| letters.contains(*c)).count() as f32
        };
        let made = texts.iter().map(|text| Embedded {
            vector: ["aeiou", "bcdfghjklm", "npqrstvwxyz"].map(|l| count(text, l)).to_vec(),
            truncated: text.len() > 256,
        });
        Ok(made.collect())
    }
}

fn with(embedder: &Arc<Letters>) -> MemoryConfig {
    let embedder: Arc<dyn Embedder> = embedder.clone();
    MemoryConfig { embedder: Some(embedder), ..MemoryConfig::default() }
}

pub(super) async fn progress(client: &mut Client) -> pb::EmbeddingProgress {
    let request = pb::GetCollectionRequest { collection_id: COLLECTION.to_owned() };
    let answer = client.get_collection(request).await.unwrap().into_inner();
    answer.collection.unwrap().embedding.unwrap()
}

pub(super) async fn until_done(client: &mut Client, done: i64) {
    for _ in 0..2_400 {
        if progress(client).await.done == done {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{:?}", progress(client).await);
}

/// A text is durable and found by its words while the model is away, and by its vector afterwards.
#[tokio::test]
async fn a_text_is_found_by_words_before_it_has_a_vector() {
    let letters = Letters::new("1");
    let mut world = World::with(with(&letters)).await;
    let mut client = world.client().await;
    collection(&mut client).await;
    letters.away.store(true, Ordering::SeqCst);
    for n in 0..10 {
        let stored = store(&mut client, "klaus", text(&format!("the tower fell {n}"))).await;
        assert_eq!(stored.embedding(), pb::EmbeddingState::Pending);
    }
    let answer = client.recall(recall_request("klaus", "tower", 3)).await.unwrap().into_inner();
    assert_eq!(answer.memories.len(), 3);
    assert!(!answer.vector_missing.is_empty());
    world.restart().await;
    let mut client = world.client().await;
    assert_eq!(progress(&mut client).await.pending, 10);
    letters.away.store(false, Ordering::SeqCst);
    until_done(&mut client, 10).await;
    let asked = pb::RecallRequest { explain: true, ..recall_request("klaus", "xyz", 1) };
    let answer = client.recall(asked).await.unwrap().into_inner();
    assert!(answer.vector_missing.is_empty());
    assert!(answer.memories[0].explanation.unwrap().similarity.is_some());
    // A vector is no change of the memory.
    assert!(list(&mut client, "klaus").await.iter().all(|memory| memory.version == 1));
}

/// One text that the model refuses does not keep the others from having vectors.
#[tokio::test]
async fn a_refused_text_leaves_the_others() {
    let letters = Letters::new("1");
    let world = World::with(with(&letters)).await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for n in 0..9 {
        let words = if n == 4 { "unspeakable".to_owned() } else { format!("word {n}") };
        store(&mut client, "klaus", text(&words)).await;
    }
    until_done(&mut client, 8).await;
    assert_eq!(progress(&mut client).await.failed, 1);
    assert_eq!(
        recalled(
            &mut client,
            pb::RecallRequest { words_only: true, ..recall_request("klaus", "unspeakable", 1) }
        )
        .await,
        ["unspeakable"]
    );
}

/// The real model, with its folder in `GAMEMESH_MINILM_DIR` (`scripts/minilm`): its next version makes the
/// vectors of all texts anew, tells how far it is, and finds by meaning what words do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_version_of_minilm_makes_all_vectors_anew() {
    let Ok(folder) = std::env::var("GAMEMESH_MINILM_DIR") else { return };
    let (name, texts) = ("all-MiniLM-L6-v2", 40);
    let of_version = |version: &str| {
        let model = MiniLm::open(Path::new(&folder), name, version).unwrap();
        let embedder: Arc<dyn Embedder> = Arc::new(model);
        MemoryConfig { embedder: Some(embedder), ..MemoryConfig::default() }
    };
    let mut world = World::with(of_version("1")).await;
    let mut client = world.client().await;
    put_collection(&mut client, |collection| {
        collection.dimension = 384;
        collection.model = Some(pb::Model { name: name.to_owned(), version: "1".to_owned() });
    })
    .await;
    store(&mut client, "klaus", text("The blacksmith lost two fingers in the battle.")).await;
    for n in 1..texts {
        store(&mut client, "klaus", text(&format!("On day {n} a pilgrim asked for a bed."))).await;
    }
    until_done(&mut client, texts).await;
    let question = || recall_request("klaus", "How was the smith's hand injured?", 1);
    let found = recalled(&mut client, question()).await;
    assert_eq!(found, ["The blacksmith lost two fingers in the battle."]);

    world.set_config(of_version("2"));
    world.restart().await;
    let mut client = world.client().await;
    let request = pb::ReembedCollectionRequest {
        collection_id: COLLECTION.to_owned(),
        model: Some(pb::Model { name: name.to_owned(), version: "2".to_owned() }),
    };
    let begun = client.reembed_collection(request).await.unwrap().into_inner();
    assert_eq!(begun.collection.unwrap().model.unwrap().version, "2");
    // What is not done waits; nothing is lost between the two.
    let mut told = Vec::new();
    loop {
        let pb::EmbeddingProgress { done, pending, failed, .. } = progress(&mut client).await;
        assert_eq!((done + pending, failed), (texts, 0));
        told.push(done);
        if done == texts {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(told.is_sorted() && told[0] < texts, "no progress was told: {told:?}");
    assert_eq!(recalled(&mut client, question()).await, found);
    let all = client.recall(pb::RecallRequest { explain: true, ..question() }).await.unwrap();
    assert!(all.into_inner().memories[0].explanation.unwrap().similarity.is_some());
}

/// Another model: everything is made anew, and until then words find it.
#[tokio::test]
async fn another_model_makes_all_vectors_anew() {
    let letters = Letters::new("1");
    let mut world = World::with(with(&letters)).await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for n in 0..6 {
        store(&mut client, "klaus", text(&format!("the ship sailed {n}"))).await;
    }
    until_done(&mut client, 6).await;
    let request = |version: &str| pb::ReembedCollectionRequest {
        collection_id: COLLECTION.to_owned(),
        model: Some(pb::Model { name: "test".to_owned(), version: version.to_owned() }),
    };
    let refused = client.reembed_collection(request("2")).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_ARGUMENT");
    let newer = Letters::new("2");
    world.set_config(with(&newer));
    world.restart().await;
    let mut client = world.client().await;
    client.reembed_collection(request("2")).await.unwrap();
    until_done(&mut client, 6).await;
    assert_eq!(recalled(&mut client, recall_request("klaus", "ship", 10)).await.len(), 6);
    let mut old = recall_request("klaus", "", 1);
    old.vector = vec![1.0, 1.0, 1.0];
    old.model = Some(pb::Model { name: "test".to_owned(), version: "1".to_owned() });
    assert_eq!(reason(&client.recall(old).await.unwrap_err()), "INVALID_ARGUMENT");
}
