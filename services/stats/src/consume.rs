//! Events from the bus. Offsets are kept in the log with the events that they stand behind, so that both
//! are there or neither; the broker is told for its lag display only.

mod combat;
mod message;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_bus::{
    CommitOffset, ConsumeError, Consumer, ConsumerEvent, ConsumerOptions, Consumers,
    ReceivedMessage, TopicPartition,
};
use gamemesh_domain::Result;
use gamemesh_repository::seeded_defect;
use tokio_util::sync::CancellationToken;

use crate::block::Offset;
use crate::engine::Engine;
use crate::engine::ingest::Origin;
use crate::metrics::Source;

/// How long to wait after the first error in a row; it doubles up to the longest.
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

/// How long a bus that refuses is left alone: nothing changes unless somebody changes the set-up.
const DENIED_DELAY: Duration = Duration::from_secs(30);

/// Once messages have waited for the log for so long, the bus is paused: the member goes on being one, and
/// nothing more comes.
const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// How long to wait after an error.
#[derive(Debug, Default)]
struct Backoff {
    in_a_row: u32,
}

impl Backoff {
    fn after(&mut self, is_denied: bool) -> Duration {
        if is_denied {
            return DENIED_DELAY;
        }
        let delay = DELAY_MIN.saturating_mul(1 << self.in_a_row.min(16));
        self.in_a_row = self.in_a_row.saturating_add(1);
        delay.min(DELAY_MAX)
    }

    fn reset(&mut self) {
        self.in_a_row = 0;
    }
}

/// Reads the topics until `stop`. Whatever goes wrong is tried again: nothing is lost by waiting.
pub(crate) async fn run(
    engine: Arc<Engine>,
    consumers: Arc<dyn Consumers>,
    stop: CancellationToken,
) {
    let reading = async {
        let mut backoff = Backoff::default();
        let consumer = loop {
            match open(&engine, &*consumers).await {
                Ok(consumer) => break consumer,
                Err(error) => wait(&mut backoff, &error).await,
            }
        };
        let mut reader = Reader { engine: engine.clone(), consumer, held: BTreeSet::new() };
        // One member for the life of the process: after an error it goes on where it was.
        loop {
            match reader.next().await {
                Ok(()) => backoff.reset(),
                Err(error) => wait(&mut backoff, &error).await,
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = stop.cancelled() => {}
    }
}

async fn open(
    engine: &Engine,
    consumers: &dyn Consumers,
) -> Result<Box<dyn Consumer>, ConsumeError> {
    let config = &engine.config;
    let topics = [config.events_topic.as_str(), config.combat_topic.as_str()];
    consumers.consumer(&config.consumer_group, &topics, ConsumerOptions::default()).await
}

async fn wait(backoff: &mut Backoff, error: &ConsumeError) {
    let is_denied = matches!(error, ConsumeError::Denied(_));
    let delay = backoff.after(is_denied);
    if is_denied {
        tracing::error!(%error, ?delay, "the bus refuses to be read");
    } else {
        tracing::warn!(%error, ?delay, "events cannot be consumed");
    }
    tokio::time::sleep(delay).await;
}

struct Reader {
    engine: Arc<Engine>,
    consumer: Box<dyn Consumer>,
    /// The partitions that are this member's.
    held: BTreeSet<TopicPartition>,
}

impl Reader {
    async fn next(&mut self) -> Result<(), ConsumeError> {
        match self.consumer.next().await? {
            ConsumerEvent::Messages(messages) => self.take(messages).await,
            change => self.change(change),
        }
    }

    fn change(&mut self, change: ConsumerEvent) -> Result<(), ConsumeError> {
        match change {
            ConsumerEvent::Assigned { partitions, .. } => {
                for partition in &partitions {
                    // What is in the log is known better here than by the broker.
                    let known = self.engine.producers.offset(&partition.topic, partition.partition);
                    if let Some(next) = known.and_then(|next| u64::try_from(next).ok()) {
                        self.consumer.seek(partition, next)?;
                    }
                }
                self.held.extend(partitions);
            }
            ConsumerEvent::Revoked(partitions) | ConsumerEvent::Lost(partitions) => {
                self.held.retain(|held| !partitions.contains(held));
            }
            ConsumerEvent::Messages(_) => {}
        }
        Ok(())
    }

    /// Messages to the log; meanwhile the member goes on being one. What a partition that is taken away had
    /// under way counts once, whoever reads it again.
    async fn take(&mut self, messages: Vec<ReceivedMessage>) -> Result<(), ConsumeError> {
        let (engine, mut more) = (self.engine.clone(), Vec::new());
        let mut messages = messages;
        loop {
            let mut commits = {
                let mut counting = pin!(count(&engine, &messages));
                let pause = tokio::time::timeout(PAUSE_AFTER, &mut counting).await;
                match pause {
                    Ok(commits) => commits,
                    Err(_) => self.paused(counting, &mut more).await?,
                }
            };
            // Somebody else has the others now.
            commits.retain(|commit| self.held.contains(&commit.partition));
            match self.consumer.commit(&commits).await {
                Ok(()) | Err(ConsumeError::Fenced) => {}
                Err(error) => tracing::debug!(%error, "the broker was not told how far is read"),
            }
            // What had been fetched before the bus was paused.
            more.retain(|message: &ReceivedMessage| self.held.contains(&message.partition));
            if more.is_empty() {
                return Ok(());
            }
            messages = std::mem::take(&mut more);
        }
    }

    /// Waits for the log with the bus paused.
    async fn paused(
        &mut self,
        mut counting: std::pin::Pin<&mut impl Future<Output = Vec<CommitOffset>>>,
        more: &mut Vec<ReceivedMessage>,
    ) -> Result<Vec<CommitOffset>, ConsumeError> {
        let mut backoff = Backoff::default();
        self.pause();
        let commits = loop {
            tokio::select! {
                commits = &mut counting => break commits,
                event = self.consumer.next() => match event {
                    Ok(ConsumerEvent::Messages(messages)) => more.extend(messages),
                    Ok(change) => {
                        self.change(change)?;
                        self.pause();
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the bus, while it is paused");
                        let delay = backoff.after(false);
                        tokio::select! {
                            commits = &mut counting => break commits,
                            () = tokio::time::sleep(delay) => {}
                        }
                    }
                },
            }
        };
        let held: Vec<_> = self.held.iter().cloned().collect();
        self.consumer.resume(&held)?;
        Ok(commits)
    }

    /// A partition that is just being assigned is paused with the next change; what it brings until then
    /// is taken.
    fn pause(&mut self) {
        let held: Vec<_> = self.held.iter().cloned().collect();
        if seeded_defect("stats.no_pause") {
            return;
        }
        if let Err(error) = self.consumer.pause(&held) {
            tracing::debug!(%error, "the bus could not be paused");
        }
    }
}

/// Events to the log, with how far their partitions are read; again and again until they are there.
async fn count(engine: &Arc<Engine>, messages: &[ReceivedMessage]) -> Vec<CommitOffset> {
    let bytes = messages.iter().map(ReceivedMessage::size_bytes).sum();
    let mut commits: Vec<CommitOffset> = Vec::new();
    for message in messages {
        let next = message.next_offset();
        match commits.iter_mut().find(|commit| commit.partition == next.partition) {
            Some(commit) => commit.offset = commit.offset.max(next.offset),
            None => commits.push(next),
        }
    }
    let offsets = commits.iter().map(|commit| Offset {
        topic: commit.partition.topic.to_string(),
        partition: commit.partition.partition,
        next: i64::try_from(commit.offset).unwrap_or(i64::MAX),
    });
    let origin = Origin { offsets: offsets.collect(), ..Origin::default() };
    let mut backoff = Backoff::default();
    loop {
        let items = messages.iter().flat_map(|message| message::items(engine, message)).collect();
        let counted = async {
            // Until there is room nothing is counted.
            let room = engine.wait_for_room(bytes).await?;
            engine.ingest(Source::Bus, origin.clone(), items, bytes, Some(room)).await
        };
        match counted.await {
            Ok(_) => return commits,
            Err(error) => {
                let delay = backoff.after(false);
                tracing::warn!(%error, ?delay, "events of the bus could not be counted yet");
                tokio::time::sleep(delay).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_waited_for_ever_longer_up_to_a_bound_and_refusals_long_at_once() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.after(false)).collect();
        assert_eq!(delays[..3], [100, 200, 400].map(Duration::from_millis));
        assert_eq!(delays[8], DELAY_MAX);
        assert_eq!(backoff.after(true), DENIED_DELAY);
        backoff.reset();
        assert_eq!(backoff.after(false), DELAY_MIN);
        for _ in 0..100 {
            assert!(backoff.after(false) <= DELAY_MAX);
        }
    }
}
