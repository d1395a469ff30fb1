//! Reads: as fresh as asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_cache::{Entry, Tier};
use gamemesh_domain::Result;
use gamemesh_domain::document::Aggregate;
use gamemesh_feed::{Cut, Staleness};
use gamemesh_repository::{LogError, Position, StreamName, Version, seeded_defect};

use super::shared::Wanted;
use crate::{Documents, write};

/// How fresh a read must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Freshness {
    Strong,
    /// Not older than this, nor than what this instance has acknowledged.
    AtLeast(Cut),
    Bounded(Duration),
    Any,
}

/// What a read came to.
#[derive(Debug, Clone)]
pub struct Answered {
    pub aggregate: Arc<Aggregate>,
    pub tier: Tier,
    pub staleness: Staleness,
    /// Everything of its lane up to here must be in it.
    promised: Position,
}

impl Answered {
    /// An earlier version of what was answered, as the store has it.
    pub fn past(&self, aggregate: Arc<Aggregate>) -> Self {
        Self { aggregate, tier: Tier::Store, staleness: self.staleness, promised: 0 }
    }
}

impl Documents {
    /// The aggregate as this instance knows it: everything acknowledged here is in it.
    pub async fn newest(&self, stream: &StreamName) -> Result<Arc<Aggregate>> {
        Ok(self.load(stream, None).await?.0.value)
    }

    /// The aggregate, as fresh as asked for.
    pub async fn read(&self, stream: &StreamName, freshness: &Freshness) -> Result<Answered> {
        match freshness {
            // Every write of the store passes through this process, and is in the cache before it is
            // acknowledged: what is here is the newest there is.
            _ if self.log.is_sole_writer() => {
                if let Freshness::AtLeast(cut) = freshness {
                    self.feed.catch_up("token", cut).await?;
                }
                let here = self.read_here(stream).await?;
                Ok(Answered { staleness: Staleness::None, ..here })
            }
            Freshness::Strong => self.read_head(stream).await,
            Freshness::Bounded(bound) => {
                let is_within = |age| matches!(age, Staleness::Since(at) if at.elapsed() <= *bound);
                if is_within(self.feed.staleness(stream.lane(self.log.lanes()))) {
                    let answered = self.read_here(stream).await?;
                    // The process may have slept meanwhile.
                    if is_within(answered.staleness) {
                        return Ok(answered);
                    }
                }
                self.read_head(stream).await
            }
            Freshness::AtLeast(cut) => {
                self.feed.catch_up("token", cut).await?;
                self.read_here(stream).await
            }
            Freshness::Any => self.read_here(stream).await,
        }
    }

    /// Until what was found is shown, and with it the other parts of its transaction: who has seen one of
    /// them finds no other as it was before, neither in the cache, where they come one after the other, nor
    /// in the store, where they are before their writer is told.
    async fn shown(&self, stream: &StreamName, version: Version, tier: Tier) {
        if tier == Tier::Store
            && let Some(unshown) = self.pending.unshown(stream, version)
        {
            unshown.wait().await;
        }
        drop(self.showing.read());
    }

    /// What was answered one by one, as it is at one moment: no transaction is half in it. Where others
    /// write the store too, each answer is of a moment of its own.
    pub async fn together(
        &self,
        asked: &[&StreamName],
        freshness: &Freshness,
        answered: &mut [Answered],
    ) -> Result<()> {
        /// An aggregate can be evicted as soon as it is read; then it is read again.
        const ATTEMPTS_MAX: usize = 4;
        if asked.len() < 2 || !self.log.is_sole_writer() {
            return Ok(());
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut absent = Vec::new();
            {
                let _together = self.showing.read();
                for (at, stream) in asked.iter().enumerate() {
                    match self.cache.peek(stream) {
                        Some(entry) => answered[at].aggregate = entry.value,
                        None => absent.push(at),
                    }
                }
            }
            if absent.is_empty() {
                break;
            }
            for at in absent {
                answered[at] = self.read(asked[at], freshness).await?;
            }
        }
        Ok(())
    }

    /// What this instance knows, and since when that may be behind.
    async fn read_here(&self, stream: &StreamName) -> Result<Answered> {
        let lane = stream.lane(self.log.lanes());
        let (staleness, began) = (self.feed.staleness(lane), Instant::now());
        let promised = self.feed.position(lane);
        let (entry, tier) = self.load(stream, None).await?;
        self.shown(stream, entry.version, tier).await;
        let staleness = if tier == Tier::Store { Staleness::Since(began) } else { staleness };
        Ok(Answered { aggregate: entry.value, tier, staleness, promised })
    }

    /// What the store has: its head is read and, unless that version is cached, the document.
    async fn read_head(&self, stream: &StreamName) -> Result<Answered> {
        let began = Instant::now();
        let head = self.log.head(stream).await?;
        let (mut head, promised) = head.map_or((0, 0), |head| (head.version, head.position));
        if seeded_defect("cache.floor") {
            head = 0;
        }
        self.cache.raise_floor(stream, head);
        let (entry, tier) = self.load(stream, Some(head)).await?;
        self.shown(stream, entry.version, tier).await;
        Ok(Answered { aggregate: entry.value, tier, staleness: Staleness::Since(began), promised })
    }

    /// A read that counts in the metrics.
    pub async fn observed_read(
        &self,
        stream: &StreamName,
        freshness: &Freshness,
    ) -> Result<Answered> {
        let start_us = self.clock.now_micros();
        let outcome = self.read(stream, freshness).await;
        let end_us = self.clock.now_micros();
        let took_us = end_us.saturating_sub(start_us).unsigned_abs();
        self.metrics.read_seconds.observe(took_us as f64 / 1e6);
        self.host.observer.read(end_us, took_us);
        if let Ok(answered) = &outcome {
            self.metrics.count_tier(answered.tier, &self.cache);
            if *freshness != Freshness::Any {
                let (version, promised) = (answered.aggregate.version, answered.promised);
                self.sampler.offer(stream, version, promised, end_us / 1_000_000);
            }
        }
        outcome
    }

    /// The newest state known, not older than `head`, to which the store has just been asked.
    async fn load(
        &self,
        stream: &StreamName,
        head: Option<Version>,
    ) -> Result<(Entry<Aggregate>, Tier), LogError> {
        self.cache
            .get_or_load(stream, head.unwrap_or(0), async |known| match &self.shared {
                Some(shared) => {
                    self.load_beside_others(shared, stream, Wanted { head, known }).await
                }
                None => {
                    let (aggregate, _) = self.loader.newest_at(stream).await?;
                    Ok((write::entry(&aggregate), Tier::Store))
                }
            })
            .await
    }
}
