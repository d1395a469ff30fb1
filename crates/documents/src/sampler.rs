//! Compares a sample of the answers with the log, all the time and in production: whether the caches keep
//! their promises is measured.
//!
//! A read promises what had been released here when it came, what its token names, or what the store said
//! was the newest: always a position of its lane. The version that was answered is stale if the stream's
//! next event lies at or before that position. The log does not change there, so it can be asked later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_repository::{Direction, LogError, Position, StreamName, Version};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Documents;

/// Answers that wait to be compared. When full, one is passed over.
const WAITING_MAX: usize = 64;

/// Answers that are compared in a second: each costs the store one read.
const PER_SECOND_MAX: u32 = 20;

/// An answer, and what it must not be older than.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    stream: StreamName,
    version: Version,
    promised: Position,
}

/// Where readers leave answers.
pub(super) struct Sampler {
    inbox: mpsc::Sender<Sample>,
    /// One in so many is taken; none if 0.
    interval: u64,
    answers: AtomicU64,
    taken: Mutex<Taken>,
}

/// What was taken in a second.
#[derive(Default)]
struct Taken {
    second: i64,
    count: u32,
}

impl Sampler {
    pub(super) fn new(interval: u64) -> (Self, mpsc::Receiver<Sample>) {
        let (inbox, samples) = mpsc::channel(WAITING_MAX);
        let (answers, taken) = (AtomicU64::new(0), Mutex::default());
        (Self { inbox, interval, answers, taken }, samples)
    }

    /// A version was answered where a position was promised.
    pub(super) fn offer(
        &self,
        stream: &StreamName,
        version: Version,
        promised: Position,
        now_seconds: i64,
    ) {
        let answer = self.answers.fetch_add(1, Ordering::Relaxed);
        if self.interval == 0 || !answer.is_multiple_of(self.interval) {
            return;
        }
        let mut taken = self.taken.lock();
        if taken.second != now_seconds {
            *taken = Taken { second: now_seconds, count: 0 };
        }
        if taken.count < PER_SECOND_MAX {
            taken.count += 1;
            let _ = self.inbox.try_send(Sample { stream: stream.clone(), version, promised });
        }
    }
}

pub(super) async fn run(
    documents: Arc<Documents>,
    mut samples: mpsc::Receiver<Sample>,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = samples.recv() => next,
        };
        let Some(sample) = next else { return };
        match is_stale(&documents, &sample).await {
            Ok(stale) => {
                documents.metrics.answers_sampled.inc();
                if stale {
                    documents.metrics.answers_stale.inc();
                    let Sample { stream, version, promised } = sample;
                    tracing::error!(%stream, version, promised, "an answer was older than promised");
                }
            }
            Err(error) => tracing::debug!(%error, "an answer could not be compared with the log"),
        }
    }
}

/// Whether something newer lay within what was promised.
async fn is_stale(documents: &Documents, sample: &Sample) -> Result<bool, LogError> {
    let Sample { stream, version, promised } = sample;
    let next = documents.log.read_stream(stream, version + 1, 1, Direction::Forward).await?;
    Ok(next.first().is_some_and(|event| event.position <= *promised))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(interval: u64, answers: u64, second: impl Fn(u64) -> i64) -> usize {
        let (sampler, samples) = Sampler::new(interval);
        for answer in 0..answers {
            sampler.offer(&StreamName::new("economy", "a"), 1, 1, second(answer));
        }
        samples.len()
    }

    #[test]
    fn one_in_so_many_is_taken_and_so_many_in_a_second() {
        assert_eq!(offered(0, 1_000, |_| 7), 0);
        assert_eq!(offered(100, 1_000, |_| 7), 10);
        assert_eq!(offered(1, 1_000, |_| 7), PER_SECOND_MAX as usize);
        assert_eq!(offered(1, 30, |answer| answer as i64 / 15), 30);
        assert_eq!(offered(1, 1_000, |answer| answer as i64), WAITING_MAX);
    }
}
