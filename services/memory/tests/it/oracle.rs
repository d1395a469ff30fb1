//! Recall equals a brute-force oracle that ranks every memory by the whole score: through filters,
//! updates, forgetting, restarts and rebuilds, on every back end.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_testkit::postgres::Postgres;
use prost_types::value::Kind;

use super::calls::{COLLECTION, at, forget, object, put_collection, recall_request, store, text};
use super::isolation::Random;
use super::world::{NOW_US, World};

const DIMENSION: usize = 16;
const WORDS: [&str; 12] = [
    "dragon", "mill", "apple", "king", "sword", "rain", "forest", "gold", "song", "wolf", "bread",
    "night",
];

#[derive(Clone)]
struct Known {
    id: String,
    text: String,
    vector: Option<Vec<f32>>,
    importance: f64,
    created_us: i64,
    mood: Option<&'static str>,
    remembered: bool,
}

fn vector(random: &mut Random) -> Vec<f32> {
    (0..DIMENSION).map(|_| random.below(2_001) as f32 / 1_000.0 - 1.0).collect()
}

fn sentence(random: &mut Random) -> String {
    let words = 3 + random.below(6);
    (0..words).map(|_| WORDS[random.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
}

fn content(known: &Known) -> pb::MemoryContent {
    let mood = known.mood.map(|mood| object(&[("mood", Kind::StringValue(mood.to_owned()))]));
    pb::MemoryContent {
        vector: known.vector.clone().unwrap_or_default(),
        importance: Some(known.importance),
        created_at: at(known.created_us),
        metadata: mood,
        ..text(&known.text)
    }
}

fn made(random: &mut Random, number: usize) -> Known {
    Known {
        id: String::new(),
        text: format!("{} {number}", sentence(random)),
        vector: (random.below(5) > 0).then(|| vector(random)),
        importance: random.below(11) as f64,
        // Distinct, so that no tie hangs on ids.
        created_us: NOW_US - random.below(1_000_000_000) as i64 * 1_000 - number as i64,
        mood: [None, Some("sad"), Some("merry")][random.below(3)],
        remembered: true,
    }
}

/// The score by its definition: the mean of cosine and BM25, each min–max scaled over the candidates, where
/// words weigh by the square of how much of the question the best match has; and what recency and
/// importance add.
fn oracle(
    all: &[Known],
    words: Option<&str>,
    question: Option<&[f32]>,
    sad_only: bool,
) -> Vec<(String, f64)> {
    let candidates: Vec<&Known> =
        all.iter().filter(|k| k.remembered && (!sad_only || k.mood == Some("sad"))).collect();
    let cosine = |k: &Known| {
        let (v, q) = (k.vector.as_ref()?, question?);
        let dot: f64 = v.iter().zip(q).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let length = |v: &[f32]| v.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>().sqrt();
        Some(dot / (length(v) * length(q)))
    };
    let scaled = |values: &[Option<f64>]| -> Vec<f64> {
        let some = || values.iter().copied().flatten();
        let (low, high) =
            (some().fold(f64::INFINITY, f64::min), some().fold(f64::NEG_INFINITY, f64::max));
        let scale = |v: f64| if high > low { (v - low) / (high - low) } else { 1.0 };
        values.iter().map(|v| v.map_or(0.0, scale)).collect()
    };
    let cosines: Vec<Option<f64>> = candidates.iter().map(|k| cosine(k)).collect();
    let (matches, full): (Vec<Option<f64>>, f64) = match words {
        Some(words) => {
            let (scores, full) = bm25(all, &candidates, words);
            (scores.into_iter().map(Some).collect(), full)
        }
        None => (vec![None; candidates.len()], 0.0),
    };
    let best = matches.iter().copied().flatten().fold(0.0, f64::max);
    let matched = f64::min(best / full, 1.0).powi(2);
    let (has_vector, has_words) = (
        cosines.iter().any(Option::is_some),
        matches.iter().copied().flatten().any(|score| score > 0.0),
    );
    let (by_vector, by_words) = (scaled(&cosines), scaled(&matches));
    let mut scored: Vec<(String, f64)> = candidates
        .iter()
        .enumerate()
        .map(|(at, k)| {
            let relevance = match (has_vector, has_words) {
                (true, true) => (by_vector[at] + matched * by_words[at]) / (1.0 + matched),
                (true, false) => by_vector[at],
                (false, true) => by_words[at],
                (false, false) => 0.0,
            };
            let hours = (NOW_US - k.created_us) as f64 / 3_600e6;
            let score = relevance + 0.1 * (-hours / 168.0).exp2() + 0.1 * (k.importance / 10.0);
            (k.id.clone(), score)
        })
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored
}

/// BM25 over every memory of the page, with the endings of these words as they are; and what a memory of
/// middle length would have that has every word once.
fn bm25(all: &[Known], candidates: &[&Known], question: &str) -> (Vec<f64>, f64) {
    let tokens = |text: &str| gamemesh_domain::memory::tokens(text);
    let texts: Vec<Vec<String>> = all.iter().map(|k| tokens(&k.text)).collect();
    let mean = texts.iter().map(Vec::len).sum::<usize>() as f64 / texts.len() as f64;
    let mut asked = tokens(question);
    asked.sort();
    asked.dedup();
    let rarity = |token: &String| {
        let with = texts.iter().filter(|text| text.contains(token)).count() as f64;
        (1.0 + (texts.len() as f64 - with + 0.5) / (with + 0.5)).ln()
    };
    let score = |known: &&Known| {
        let text = tokens(&known.text);
        let part = |token: &String| {
            let count = text.iter().filter(|one| *one == token).count() as f64;
            rarity(token) * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * text.len() as f64 / mean))
        };
        asked.iter().filter(|token| text.contains(token)).map(part).sum()
    };
    (candidates.iter().map(score).collect(), asked.iter().map(rarity).sum())
}

async fn compare(world: &mut World, seed: u64, steps: usize) {
    let mut client = world.client().await;
    put_collection(&mut client, |collection| collection.dimension = DIMENSION as i32).await;
    let mut random = Random(seed);
    let mut all: Vec<Known> = Vec::new();
    for step in 0..steps {
        match random.below(12) {
            0..7 => {
                let mut known = made(&mut random, step);
                known.id = store(&mut client, "klaus", content(&known)).await.memory_id;
                all.push(known);
            }
            7 if !all.is_empty() => {
                let at = random.below(all.len());
                forget(&mut client, "klaus", &all[at].id, false).await;
                all[at].remembered = false;
            }
            8 if !all.is_empty() => {
                let at = random.below(all.len());
                let changed = made(&mut random, step);
                let paths = ["text", "importance", "created_at", "metadata"];
                let mut paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
                let has_vector = changed.vector.is_some();
                if has_vector {
                    paths.push("vector".to_owned());
                }
                let request = pb::UpdateMemoryRequest {
                    collection_id: COLLECTION.to_owned(),
                    npc_id: "klaus".to_owned(),
                    memory_id: all[at].id.clone(),
                    content: Some(content(&changed)),
                    update_mask: Some(prost_types::FieldMask { paths }),
                    expected_version: None,
                };
                client.update_memory(request).await.unwrap();
                let (id, remembered) = (all[at].id.clone(), all[at].remembered);
                all[at] = Known { id, remembered, ..changed };
            }
            9 if step % 5 == 0 && world.is_durable() => {
                world.restart().await;
                client = world.client().await;
            }
            _ => {
                let words = (random.below(4) > 0).then(|| sentence(&mut random));
                let question = (random.below(4) > 0).then(|| vector(&mut random));
                let (sad_only, count) = (random.below(3) == 0, 1 + random.below(20));
                let mut request =
                    recall_request("klaus", words.as_deref().unwrap_or_default(), count as i32);
                request.vector = question.clone().unwrap_or_default();
                request.explain = true;
                if sad_only {
                    request.filter = Some(pb::MemoryFilter {
                        filter: "metadata.mood = \"sad\"".to_owned(),
                        ..pb::MemoryFilter::default()
                    });
                }
                let answer = client.recall(request).await.unwrap().into_inner();
                let mut expected = oracle(&all, words.as_deref(), question.as_deref(), sad_only);
                assert_eq!(answer.candidates as usize, expected.len());
                expected.truncate(count);
                let found: Vec<(String, f64)> = answer
                    .memories
                    .iter()
                    .map(|one| (one.memory.as_ref().unwrap().memory_id.clone(), one.score))
                    .collect();
                assert_eq!(found.len(), expected.len(), "seed {seed} step {step}");
                for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert!((found.1 - expected.1).abs() < 1e-9, "seed {seed} step {step} at {at}");
                    assert_eq!(found.0, expected.0, "seed {seed} step {step} at {at}");
                }
                for one in &answer.memories {
                    let why = one.explanation.unwrap();
                    let sum = why.relevance.unwrap().weighted
                        + why.recency.unwrap().weighted
                        + why.importance.unwrap().weighted;
                    assert_eq!(sum, one.score);
                }
            }
        }
    }
}

#[tokio::test]
async fn in_memory() {
    for seed in 1..4 {
        compare(&mut World::on("memory:").await, 0xacc0_0000 + seed, 500).await;
    }
}

#[tokio::test]
async fn on_sqlite_through_restarts() {
    compare(&mut World::new().await, 0xacc1_0001, 400).await;
}

#[tokio::test]
async fn on_postgres_through_restarts() {
    let postgres = Postgres::start().unwrap();
    compare(&mut World::on(postgres.url()).await, 0xacc2_0001, 300).await;
}

/// With pgvector's type in the column, recall is the same.
#[tokio::test]
async fn on_pgvector_through_restarts() {
    let postgres = Postgres::with_vectors().unwrap();
    compare(&mut World::on(postgres.url()).await, 0xacc4_0001, 300).await;
}

/// A page that does not fit into memory is read anew each time, and answers the same.
#[tokio::test]
async fn cold_pages_answer_the_same() {
    let config = gamemesh_memory::MemoryConfig { pages_bytes_max: 1, ..Default::default() };
    compare(&mut World::with(config).await, 0xacc3_0001, 200).await;
}
