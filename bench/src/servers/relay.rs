//! Events from the log to Kafka, through a whole server, against a bare producer of the same messages.

use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use uuid::Uuid;

use super::database::Database;
use crate::exit::{Outcome, Problem};
use crate::load::LoadArgs;
use crate::report::{Bar, Pair, Row};
use crate::server::Server;
use crate::state::durable::{BATCH, batch_senders};
use crate::state::hot_read::{connection, get};

/// Everything is in Kafka by then.
const RELAY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often the server is asked how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// A message that is there comes within this time.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Until everything that was sent is acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn measure(
    load: &LoadArgs,
    database: &Database,
    brokers: &str,
    events: u64,
    dir: &Path,
) -> Outcome<Row> {
    let events = fill(&Server::on(dir, database.url(), &[]).await?, events).await?;
    let mut messages = None;
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let topic = format!("gamemesh-bench-{}", Uuid::new_v4());
        let flags = ["--kafka-brokers", brokers, "--kafka-state-topic", &topic];
        let ours = relayed(&Server::on(dir, database.url(), &flags).await?, events).await?;
        let sent = match messages.take() {
            Some(messages) => messages,
            None => read(brokers.to_owned(), topic, events).await?,
        };
        let (baseline, sent) = bare(brokers.to_owned(), sent).await?;
        pairs.push(Pair { ours, baseline });
        messages = Some(sent);
    }
    let bytes: usize = messages.iter().flatten().map(|m| m.payload().map_or(0, <[u8]>::len)).sum();
    let bar = Bar::AtLeast { floor: 0.5, aim: 0.9 };
    Ok(Row::new("relay to Kafka", "a bare producer, same messages", "/s", bar, pairs).note(format!(
        "{events} events that are in the log, of {} bytes on average without headers; acks=all, \
         idempotent, lz4; read, encoded, acknowledged, the cursor saved",
        bytes as u64 / events.max(1)
    )))
}

/// Writes at least so many events; answers how many there are.
async fn fill(server: &Server, events: u64) -> Outcome<u64> {
    let mut written = 0;
    let mut senders = batch_senders(server).await?;
    while written < events {
        for sender in &mut senders {
            written += sender().await?;
        }
    }
    debug_assert!(written.is_multiple_of(BATCH));
    Ok(written)
}

/// Events a second, from the first that Kafka has acknowledged to the last.
async fn relayed(server: &Server, events: u64) -> Outcome<f64> {
    let mut http = connection(server).await?;
    let begins = Instant::now();
    let mut first = None;
    loop {
        let metrics = get(&mut http, server.address(), "/metrics").await?;
        let metrics = String::from_utf8_lossy(&metrics);
        let published: f64 = metrics
            .lines()
            .filter(|line| line.starts_with("gamemesh_outbox_published_total"))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum();
        let now = Instant::now();
        match first {
            None if published > 0.0 => first = Some((now, published)),
            Some((began, before)) if published >= events as f64 => {
                return Ok((published - before) / (now - began).as_secs_f64());
            }
            _ if begins.elapsed() > RELAY_TIMEOUT => {
                return Err(Problem::failed(format!("{published} of {events} events in Kafka")));
            }
            _ => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The messages as a consumer gets them.
async fn read(brokers: String, topic: String, events: u64) -> Outcome<Vec<OwnedMessage>> {
    let reading = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", &topic)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .map_err(Problem::failed)?;
        consumer.subscribe(&[&topic]).map_err(Problem::failed)?;
        let mut messages = Vec::new();
        let mut last = Instant::now();
        while (messages.len() as u64) < events {
            // It comes back without a message for other reasons too.
            if let Some(message) = consumer.poll(LOOK) {
                messages.push(message.map_err(Problem::failed)?.detach());
                last = Instant::now();
            } else if last.elapsed() > MESSAGE_TIMEOUT {
                let held = messages.len();
                return Err(Problem::failed(format!("{held} of {events} messages in Kafka")));
            }
        }
        Ok(messages)
    });
    reading.await.map_err(Problem::failed)?
}

/// Messages a second of a producer with the same promises.
async fn bare(brokers: String, messages: Vec<OwnedMessage>) -> Outcome<(f64, Vec<OwnedMessage>)> {
    let sending = tokio::task::spawn_blocking(move || {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("linger.ms", "2")
            .create()
            .map_err(Problem::failed)?;
        let topic = format!("gamemesh-bench-{}", Uuid::new_v4());
        // The first message makes the topic.
        let (first, rest) = messages.split_first().ok_or_else(|| Problem::failed("no messages"))?;
        send(&producer, &topic, first)?;
        producer.flush(FLUSH_TIMEOUT).map_err(Problem::failed)?;
        let began = Instant::now();
        rest.iter().try_for_each(|message| send(&producer, &topic, message))?;
        producer.flush(FLUSH_TIMEOUT).map_err(Problem::failed)?;
        let rate = rest.len() as f64 / began.elapsed().as_secs_f64();
        Ok((rate, messages))
    });
    sending.await.map_err(Problem::failed)?
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    message: &OwnedMessage,
) -> Outcome<()> {
    loop {
        let mut record = BaseRecord::to(topic)
            .key(message.key().unwrap_or_default())
            .payload(message.payload().unwrap_or_default());
        if let Some(headers) = message.headers() {
            record = record.headers(headers.clone());
        }
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(Problem::failed(error)),
        }
    }
}
