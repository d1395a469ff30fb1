//! How soon another instance shows a write, against how soon Redis brings a message.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_client::v1;
use gamemesh_client::v1::watch_aggregates_response::Message;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::database::Database;
use super::resp::Redis;
use crate::exit::{Outcome, Problem};
use crate::load::LoadArgs;
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};
use crate::state::durable::player;
use crate::state::sample;

/// Writes, or messages, a second.
const RATE: u32 = 200;
/// Whatever was sent has arrived by then.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn measure(
    load: &LoadArgs,
    database: &Database,
    redis: &str,
    dir: &Path,
) -> Outcome<Row> {
    let flags = ["--redis-url", redis];
    let writer = Server::on(dir, database.url(), &flags).await?;
    let reader = Server::on(dir, database.url(), &flags).await?;
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let baseline = p99_ms(&published(redis, load.duration).await?);
        let ours = p99_ms(&shown(&writer, &reader, load.duration).await?);
        pairs.push(Pair { ours, baseline });
    }
    let bar = Bar::AtMost { ceiling: 5.0, aim: 2.0 };
    let against = "Redis, publish to receive";
    Ok(Row::new("freshness on another instance, P99", against, "ms", bar, pairs).note(format!(
        "{RATE} updates/s at one instance; from their answer to the watcher of another one"
    )))
}

fn p99_ms(took: &Histogram<u64>) -> f64 {
    took.value_at_quantile(0.99) as f64 / 1_000.0
}

fn histogram() -> Outcome<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(Problem::failed)
}

/// From the answer to a write at one instance to the change that a watcher of the other sees.
async fn shown(writer: &Server, reader: &Server, duration: Duration) -> Outcome<Histogram<u64>> {
    let request = v1::WatchAggregatesRequest {
        r#type: "player".into(),
        changes_only: true,
        ..Default::default()
    };
    let mut stub = reader.stubs(1).await?.remove(0);
    let mut watch = stub.watch_aggregates(request).await.map_err(failed)?.into_inner();
    while let Some(message) = watch.message().await.map_err(failed)? {
        if matches!(message.message, Some(Message::Begun(_))) {
            break;
        }
    }
    let count = u64::from(RATE) * duration.as_secs().max(1);
    let watching: JoinHandle<Outcome<HashMap<(String, i64), Instant>>> = tokio::spawn(async move {
        let mut seen = HashMap::new();
        while (seen.len() as u64) < count {
            let message = watch.message().await.map_err(failed)?;
            let message = message.ok_or_else(|| Problem::failed("the watch ended"))?;
            if let Some(Message::Change(change)) = message.message
                && let Some(event) = change.event
            {
                seen.insert((event.id, event.version), Instant::now());
            }
        }
        Ok(seen)
    });
    let stub = writer.stubs(1).await?.remove(0);
    let mut writes = Vec::new();
    let mut due = interval(Duration::from_secs(1) / RATE);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0..count {
        due.tick().await;
        let mut stub = stub.clone();
        writes.push(tokio::spawn(async move {
            let id = player(n);
            let answer = stub.update_aggregate(sample::update(id.clone())).await;
            let answered = Instant::now();
            let write = answer.map_err(failed)?.into_inner().write.unwrap_or_default();
            Ok::<_, Problem>(((id, write.version), answered))
        }));
    }
    let seen = tokio::time::timeout(ARRIVAL_TIMEOUT, watching).await.map_err(Problem::failed)?;
    let seen = seen.map_err(Problem::failed)??;
    let mut took = histogram()?;
    for write in writes {
        let (write, answered) = write.await.map_err(Problem::failed)??;
        let shown = seen.get(&write).ok_or_else(|| Problem::failed("a write was not shown"))?;
        took.saturating_record(shown.saturating_duration_since(answered).as_micros() as u64);
    }
    Ok(took)
}

/// From the sending of a message to its arrival.
async fn published(url: &str, duration: Duration) -> Outcome<Histogram<u64>> {
    let mut subscriber = Redis::connect(url).await?;
    let channel = format!("gamemesh-bench-{}", uuid::Uuid::new_v4());
    subscriber.send(&["SUBSCRIBE", &channel]).await?;
    subscriber.receive().await?;
    let count = u64::from(RATE) * duration.as_secs().max(1);
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let times = sent.clone();
    let receiving: JoinHandle<Outcome<Histogram<u64>>> = tokio::spawn(async move {
        let mut took = histogram()?;
        for n in 0..count as usize {
            subscriber.receive().await?;
            let now = Instant::now();
            took.saturating_record((now - times.lock()[n]).as_micros() as u64);
        }
        Ok(took)
    });
    let mut publisher = Redis::connect(url).await?;
    let mut due = interval(Duration::from_secs(1) / RATE);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0..count {
        due.tick().await;
        sent.lock().push(Instant::now());
        publisher.send(&["PUBLISH", &channel, &player(n)]).await?;
        publisher.receive().await?;
    }
    let received =
        tokio::time::timeout(ARRIVAL_TIMEOUT, receiving).await.map_err(Problem::failed)?;
    received.map_err(Problem::failed)?
}
