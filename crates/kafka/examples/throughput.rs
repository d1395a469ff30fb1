//! Messages a second through a session against a bare producer of librdkafka with the same settings of
//! durability and compression, in turns, on the broker of KAFKA_BROKERS.
//!
//!     eval "$(scripts/services up kafka)"
//!     cargo run --release -p gamemesh-kafka --example throughput

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gamemesh_bus::{Header, Message, Publisher as _};
use gamemesh_kafka::{KafkaOptions, KafkaPublisher};
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

const PAIRS: usize = 5;
const MESSAGES: usize = 200_000;
const BATCH: usize = 500;
const IN_FLIGHT: usize = 4;
const HEADERS: [&str; 7] =
    ["content-type", "event-id", "stream", "version", "store", "lane", "position"];

fn batch(topic: &Arc<str>, first: usize) -> Vec<Message> {
    let header = |name| Header { name, value: Bytes::from_static(b"0123456789abcdef") };
    (first..first + BATCH)
        .map(|n| Message {
            topic: topic.clone(),
            key: Bytes::from(format!("player/{}", n % 1_000)),
            payload: Bytes::from_static(&[7; 200]),
            headers: HEADERS.map(header).into(),
            lane: 0,
            position: n as u64,
        })
        .collect()
}

async fn session(brokers: &str, topic: &Arc<str>) -> anyhow::Result<Duration> {
    let publisher = KafkaPublisher::open(KafkaOptions::new(vec![brokers.to_owned()]))?;
    let mut session = publisher.session().await?;
    session.publish(batch(topic, 0)).await.await?;
    let began = Instant::now();
    let mut in_flight = VecDeque::new();
    for first in (0..MESSAGES).step_by(BATCH) {
        if in_flight.len() == IN_FLIGHT
            && let Some(oldest) = in_flight.pop_front()
        {
            oldest.await?;
        }
        in_flight.push_back(session.publish(batch(topic, first)).await);
    }
    for pending in in_flight {
        pending.await?;
    }
    Ok(began.elapsed())
}

fn bare(brokers: &str, topic: &Arc<str>) -> anyhow::Result<Duration> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("linger.ms", "2")
        .create()?;
    let send = |message: &Message| {
        loop {
            let headers = OwnedHeaders::new_with_capacity(message.headers.len());
            let headers = message.headers.iter().fold(headers, |headers, header| {
                headers.insert(KafkaHeader { key: header.name, value: Some(&header.value[..]) })
            });
            let record = BaseRecord::to(topic).key(&message.key[..]).headers(headers);
            match producer.send(record.payload(&message.payload[..])) {
                Ok(()) => return Ok(()),
                Err((error, _))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error),
            }
        }
    };
    batch(topic, 0).iter().try_for_each(send)?;
    producer.flush(Duration::from_secs(60))?;
    let began = Instant::now();
    for first in (0..MESSAGES).step_by(BATCH) {
        batch(topic, first).iter().try_for_each(send)?;
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(began.elapsed())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> anyhow::Result<()> {
    let brokers = std::env::var("KAFKA_BROKERS")?;
    let topic: Arc<str> = format!("throughput-{}", uuid::Uuid::new_v4()).into();
    let rate = |took: Duration| MESSAGES as f64 / took.as_secs_f64();
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        let bare = {
            let (brokers, topic) = (brokers.clone(), topic.clone());
            rate(tokio::task::spawn_blocking(move || bare(&brokers, &topic)).await??)
        };
        let ours = rate(session(&brokers, &topic).await?);
        println!("bare {bare:.0}/s, session {ours:.0}/s, ratio {:.2}", ours / bare);
        ratios.push(ours / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[PAIRS / 2]);
    Ok(())
}
