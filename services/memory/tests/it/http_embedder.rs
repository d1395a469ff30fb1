//! A model behind a real HTTP server that is down, slow, wrong and back again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_memory::MemoryConfig;
use gamemesh_memory::embedder::http::{Api, Endpoint, HttpEmbedder};
use gamemesh_memory::embedder::{Embedder, Refused};
use gamemesh_rpc::config::Secret;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::calls::{collection, reason, recall_request, store, text};
use super::embedding::{progress, until_done};
use super::world::World;

/// What the endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Right,
    /// The last text first.
    Backwards,
    Status(u16),
    /// Vectors of two numbers where three are told.
    Short,
    /// One vector fewer than texts.
    Fewer,
    NoJson,
    /// It reads and never answers.
    Silent,
    /// Every fourth request is answered with 429.
    Busy,
}

/// The texts of each request, and its bearer token.
type Asked = Arc<Mutex<Vec<(Vec<String>, String)>>>;

struct Model {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    asked: Asked,
}

impl Model {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let model = Self {
            address: listener.local_addr().unwrap(),
            mood: Arc::new(Mutex::new(Mood::Right)),
            asked: Arc::default(),
        };
        let (mood, asked) = (model.mood.clone(), model.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, mood.clone(), asked.clone()));
            }
        });
        model
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    fn requests(&self) -> usize {
        self.asked.lock().len()
    }

    fn embedder(&self, reply_max: Duration) -> HttpEmbedder {
        let endpoint = Endpoint {
            url: format!("http://{}/v1/embeddings", self.address).parse().unwrap(),
            api: Api::OpenAi,
            name: "test".to_owned(),
            version: "1".to_owned(),
            dimension: 3,
            key: Some(Secret::new("secret")),
        };
        HttpEmbedder::new(endpoint).unwrap().reply_max(reply_max)
    }
}

async fn serve(mut stream: TcpStream, mood: Arc<Mutex<Mood>>, asked: Asked) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let (head, body) = request(&mut stream, &mut read).await?;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let inputs = body["input"].as_array().unwrap();
        let texts: Vec<String> =
            inputs.iter().map(|input| input.as_str().unwrap().to_owned()).collect();
        let bearer = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
        let number = {
            let mut asked = asked.lock();
            asked.push((texts.clone(), bearer.unwrap_or_default().to_owned()));
            asked.len()
        };
        let mood = *mood.lock();
        let (status, answer) = match mood {
            Mood::Silent => return std::future::pending().await,
            Mood::Status(status) => (status, "{}".to_owned()),
            Mood::Busy if number.is_multiple_of(4) => (429, "{}".to_owned()),
            Mood::NoJson => (200, "<html>".to_owned()),
            _ => (200, answer(&texts, mood)),
        };
        let length = answer.len();
        let answer = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// Head and body of the next request.
async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap().parse().unwrap();
            if read.len() >= end + 4 + length {
                let body = read[end + 4..end + 4 + length].to_vec();
                read.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        let mut part = [0; 8_192];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&part[..count]);
    }
}

fn answer(texts: &[String], mood: Mood) -> String {
    let numbers = if mood == Mood::Short { 2 } else { 3 };
    let vector = |text: &String| -> Vec<f32> {
        let length = text.len() as f32;
        [1.0, length, length % 7.0][..numbers].to_vec()
    };
    let data = texts.iter().enumerate();
    let mut data: Vec<Value> =
        data.map(|(index, text)| json!({ "index": index, "embedding": vector(text) })).collect();
    match mood {
        Mood::Backwards => data.reverse(),
        Mood::Fewer => drop(data.pop()),
        _ => {}
    }
    json!({ "data": data }).to_string()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| "x".repeat(n + 1)).collect()
}

/// Many texts go in requests of a bounded size, in order, and come back in order, also where the answer is
/// in another.
#[tokio::test]
async fn texts_go_in_batches_and_come_back_in_order() {
    let model = Model::start().await;
    let embedder = model.embedder(Duration::from_secs(20));
    for mood in [Mood::Right, Mood::Backwards] {
        model.set(mood);
        let made = embedder.embed(&texts(129)).await.unwrap();
        let lengths: Vec<f32> = made.iter().map(|one| one.vector[1]).collect();
        assert_eq!(lengths, (1..=129).map(|n| n as f32).collect::<Vec<_>>());
        let asked = std::mem::take(&mut *model.asked.lock());
        assert_eq!(
            asked.iter().map(|(texts, _)| texts.len()).collect::<Vec<_>>(),
            [32, 32, 32, 32, 1]
        );
        assert_eq!(
            asked.iter().flat_map(|(texts, _)| texts.clone()).collect::<Vec<_>>(),
            texts(129)
        );
        assert!(asked.iter().all(|(_, key)| key == "secret"));
    }
}

/// What is not an answer is none: nothing of it is taken, and what it means for a text is told apart.
#[tokio::test]
async fn wrong_answers_are_refused() {
    let model = Model::start().await;
    for mood in [
        Mood::Short,
        Mood::Fewer,
        Mood::NoJson,
        Mood::Status(500),
        Mood::Status(429),
        Mood::Status(401),
    ] {
        model.set(mood);
        let refused = model.embedder(Duration::from_secs(20)).embed(&texts(3)).await;
        assert!(matches!(refused, Err(Refused::Away(_))), "{mood:?}: {refused:?}");
    }
    for status in [400, 413, 422] {
        model.set(Mood::Status(status));
        let refused = model.embedder(Duration::from_secs(20)).embed(&texts(3)).await;
        assert!(matches!(refused, Err(Refused::Text(_))), "{status}: {refused:?}");
    }
}

/// After some failures it is left alone, whoever asks is told at once, and it is asked again later.
#[tokio::test]
async fn a_silent_endpoint_is_left_alone_for_a_while() {
    let model = Model::start().await;
    model.set(Mood::Silent);
    let embedder = model.embedder(Duration::from_millis(100));
    for _ in 0..gamemesh_guard::FAILURES_MAX {
        assert!(matches!(embedder.embed(&texts(1)).await, Err(Refused::Away(_))));
    }
    let requests = model.requests();
    let Err(Refused::Away(why)) = embedder.embed(&texts(1)).await else { panic!("it is open") };
    assert!(why.contains("lately"), "{why}");
    assert_eq!(model.requests(), requests);
    model.set(Mood::Right);
    let began = Instant::now();
    while embedder.embed(&texts(1)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never asked again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An endpoint where nothing listens.
#[tokio::test]
async fn an_endpoint_that_is_down_is_away() {
    let model = Model::start().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let down = Model { address: free, ..model };
    let refused = down.embedder(Duration::from_secs(20)).embed(&texts(1)).await;
    assert!(matches!(refused, Err(Refused::Away(_))), "{refused:?}");
}

/// Stores go on while the endpoint is wrong and busy. What has been made stays: only a batch that failed is
/// sent again.
#[tokio::test]
async fn stores_go_on_and_what_is_made_stays() {
    let model = Model::start().await;
    model.set(Mood::Short);
    let embedder: Arc<dyn Embedder> = Arc::new(model.embedder(Duration::from_secs(20)));
    let config = MemoryConfig { embedder: Some(embedder), ..MemoryConfig::default() };
    let world = World::with(config).await;
    let mut client = world.client().await;
    collection(&mut client).await;
    for n in 0..200 {
        store(&mut client, "klaus", text(&format!("memory {n:03} of the mill"))).await;
    }
    // It is not sent, but refused at once.
    let empty = client.store_memory(super::calls::store_request("klaus", text(" "))).await;
    assert_eq!(reason(&empty.unwrap_err()), "INVALID_ARGUMENT");
    let answer = client.recall(recall_request("klaus", "mill", 3)).await.unwrap().into_inner();
    assert!(!answer.vector_missing.is_empty() && answer.memories.len() == 3);
    let told = progress(&mut client).await;
    assert!(told.done == 0 && told.pending == 200 && !told.last_error.is_empty(), "{told:?}");

    model.asked.lock().clear();
    model.set(Mood::Busy);
    until_done(&mut client, 200).await;
    let mut times: HashMap<String, usize> = HashMap::new();
    let asked = model.asked.lock().clone();
    let failed: Vec<&Vec<String>> =
        asked.iter().enumerate().filter(|(n, _)| n % 4 == 3).map(|(_, (texts, _))| texts).collect();
    for text in asked.iter().flat_map(|(texts, _)| texts) {
        *times.entry(text.clone()).or_default() += 1;
    }
    for (text, times) in times.iter().filter(|(text, _)| text.starts_with("memory")) {
        let refused = failed.iter().filter(|texts| texts.contains(text)).count();
        assert_eq!(*times, refused + 1, "{text}");
    }
    assert_eq!(times.keys().filter(|text| text.starts_with("memory")).count(), 200);
    let asked = pb::RecallRequest { explain: true, ..recall_request("klaus", "mill", 1) };
    model.set(Mood::Right);
    let answer = client.recall(asked).await.unwrap().into_inner();
    assert!(answer.memories[0].explanation.unwrap().similarity.is_some());
}
