//! While there is no room, the bus is paused: what is not read waits at the broker, not in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_bus::{
    CommitOffset, ConsumeError, Consumer, ConsumerEvent, ConsumerOptions, Consumers, LocalBus,
    Message, Publisher as _, TopicPartition,
};
use parking_lot::Mutex;

use super::held::{Holding, holding, until};
use super::sample::kill;

const TOPIC: &str = "game.match.events";
/// More than a reader can have on its way when it is paused.
const EVENTS: u64 = 6_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A bus that notes what its reader does.
#[derive(Clone)]
struct Watched {
    bus: LocalBus,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    delivered: usize,
    paused: Vec<TopicPartition>,
    resumed: usize,
}

struct Member {
    inner: Box<dyn Consumer>,
    seen: Arc<Mutex<Seen>>,
}

#[async_trait]
impl Consumers for Watched {
    async fn consumer(
        &self,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Result<Box<dyn Consumer>, ConsumeError> {
        let inner = self.bus.consumer(group, topics, options).await?;
        Ok(Box::new(Member { inner, seen: self.seen.clone() }))
    }
}

#[async_trait]
impl Consumer for Member {
    async fn next(&mut self) -> Result<ConsumerEvent, ConsumeError> {
        let event = self.inner.next().await?;
        if let ConsumerEvent::Messages(messages) = &event {
            self.seen.lock().delivered += messages.len();
        }
        Ok(event)
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<(), ConsumeError> {
        self.inner.seek(partition, offset)
    }

    async fn commit(&mut self, offsets: &[CommitOffset]) -> Result<(), ConsumeError> {
        self.inner.commit(offsets).await
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.inner.pause(partitions)?;
        self.seen.lock().paused = partitions.to_vec();
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.inner.resume(partitions)?;
        let mut seen = self.seen.lock();
        seen.paused.retain(|paused| !partitions.contains(paused));
        seen.resumed += 1;
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), ConsumeError> {
        self.inner.close().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_is_paused_while_there_is_no_room_and_goes_on_when_there_is() {
    let tables = Holding::default();
    let bus = LocalBus::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let consumers = Arc::new(Watched { bus: bus.clone(), seen: seen.clone() });
    let world = holding(tables.clone(), consumers, 64 << 10).await;
    let Holding { is_held, is_asked } = tables;
    // The only shard waits for a match that has left the memory, and so does everybody behind it.
    is_held.store(true, Ordering::Release);
    let old = [kill("old", "e1", 1, "a", "b")];
    let late = world.post(&old);
    let rest = async {
        wait_until("the shard is not held", || is_asked.load(Ordering::Acquire)).await;
        publish(&bus).await;
        let reads_on = || seen.lock().delivered == EVENTS as usize;
        wait_until("the bus is not paused", || {
            assert!(!reads_on(), "it reads on, with nowhere to put it");
            !seen.lock().paused.is_empty()
        })
        .await;
        let delivered = seen.lock().delivered;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(seen.lock().delivered, delivered, "it reads on, with nowhere to put it");
        }
        assert_eq!(seen.lock().resumed, 0);
        is_held.store(false, Ordering::Release);
    };
    let (statuses, ()) = tokio::join!(late, rest);
    assert_eq!(statuses.len(), 1);
    let all = EVENTS as f64 + 3.0;
    until(&world, "match_stats_events_processed_total", |counted| counted == all).await;
    assert_eq!(world.get("matches/bus").await["version"], EVENTS.to_string());
    let seen = seen.lock();
    assert!(seen.resumed > 0 && seen.paused.is_empty(), "the bus is still paused");
}

async fn wait_until(otherwise: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn publish(bus: &LocalBus) {
    let topics = [Arc::from(TOPIC)];
    bus.has_subscribers(&topics).wait_for(|reads| *reads).await.unwrap();
    let mut session = bus.session().await.unwrap();
    let message = |n: u64| Message {
        topic: TOPIC.into(),
        key: Bytes::from("m"),
        payload: Bytes::from(kill("bus", &format!("e{n}"), n as i64, "a", "b").to_string()),
        headers: Vec::new(),
        lane: 0,
        position: n + 1,
    };
    session.publish((0..EVENTS).map(message).collect()).await.await.unwrap();
}
