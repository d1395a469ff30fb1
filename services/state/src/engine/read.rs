//! Reads: as fresh as asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_cache::{Entry, Tier};
use gamemesh_domain::state::Aggregate;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Lane, LogError, Position, Sight, StreamName, Version, seeded_defect};

use super::shared::Wanted;
use super::sight::Seen;
use super::{Engine, write};
use crate::token::Cut;

/// How long a read waits for this instance to see what its token names.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// How fresh a read must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Freshness {
    Strong,
    /// Not older than this, nor than what this instance has acknowledged.
    AtLeast(Cut),
    Bounded(Duration),
    Any,
}

/// What a read came to.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) aggregate: Arc<Aggregate>,
    pub(crate) tier: Tier,
    pub(crate) seen: Seen,
    /// Everything of its lane up to here must be in it.
    promised: Position,
}

impl Answered {
    /// An earlier version of what was answered, as the store has it.
    pub(crate) fn past(&self, aggregate: Arc<Aggregate>) -> Self {
        Self { aggregate, tier: Tier::Store, seen: self.seen, promised: 0 }
    }
}

impl Engine {
    /// The aggregate as this instance knows it: everything acknowledged here is in it.
    pub(crate) async fn newest(&self, stream: &StreamName) -> Result<Arc<Aggregate>> {
        Ok(self.load(stream, None).await?.0.value)
    }

    /// The aggregate, as fresh as asked for.
    pub(crate) async fn read(
        &self,
        stream: &StreamName,
        freshness: &Freshness,
    ) -> Result<Answered> {
        match freshness {
            // Every write of the store passes through this process, and is in the cache before it is
            // acknowledged: what is here is the newest there is.
            _ if self.log.is_sole_writer() => {
                if let Freshness::AtLeast(cut) = freshness {
                    self.catch_up("token", cut).await?;
                }
                let here = self.read_here(stream).await?;
                Ok(Answered { seen: Seen::Everything, ..here })
            }
            Freshness::Strong => self.read_head(stream).await,
            Freshness::Bounded(bound) => {
                let is_within = |seen| matches!(seen, Seen::Before(at) if at.elapsed() <= *bound);
                if is_within(self.feed.seen(stream.lane(self.log.lanes()))) {
                    let answered = self.read_here(stream).await?;
                    // The process may have slept meanwhile.
                    if is_within(answered.seen) {
                        return Ok(answered);
                    }
                }
                self.read_head(stream).await
            }
            Freshness::AtLeast(cut) => {
                self.catch_up("token", cut).await?;
                self.read_here(stream).await
            }
            Freshness::Any => self.read_here(stream).await,
        }
    }

    /// What this instance knows, and since when that may be behind.
    async fn read_here(&self, stream: &StreamName) -> Result<Answered> {
        let lane = stream.lane(self.log.lanes());
        let (seen, began) = (self.feed.seen(lane), Instant::now());
        let promised = self.feed.position(lane);
        let (entry, tier) = self.load(stream, None).await?;
        let seen = if tier == Tier::Store { Seen::Before(began) } else { seen };
        Ok(Answered { aggregate: entry.value, tier, seen, promised })
    }

    /// What the store has, which is asked for its head and, unless that is at hand, for the rest.
    async fn read_head(&self, stream: &StreamName) -> Result<Answered> {
        let began = Instant::now();
        let head = self.log.head(stream).await?;
        let (mut head, promised) = head.map_or((0, 0), |head| (head.version, head.position));
        if seeded_defect("cache.floor") {
            head = 0;
        }
        self.cache.raise_floor(stream, head);
        let (entry, tier) = self.load(stream, Some(head)).await?;
        Ok(Answered { aggregate: entry.value, tier, seen: Seen::Before(began), promised })
    }

    /// A read that counts in the metrics.
    pub(crate) async fn observed_read(
        &self,
        stream: &StreamName,
        freshness: &Freshness,
    ) -> Result<Answered> {
        let start_us = self.clock.now_micros();
        let outcome = self.read(stream, freshness).await;
        let end_us = self.clock.now_micros();
        let took_us = end_us.saturating_sub(start_us).unsigned_abs();
        self.metrics.read_seconds.observe(took_us as f64 / 1e6);
        self.analytics.read(end_us, took_us);
        if let Ok(answered) = &outcome {
            self.metrics.count_tier(answered.tier, &self.cache);
            if *freshness != Freshness::Any {
                let (version, promised) = (answered.aggregate.version, answered.promised);
                self.sampler.offer(stream, version, promised, end_us / 1_000_000);
            }
        }
        outcome
    }

    /// Waits until this instance has seen everything up to the cut of a token, which stands in
    /// `field` of the request.
    pub(crate) async fn catch_up(&self, field: &str, cut: &Cut) -> Result<()> {
        for &(lane, position) in &cut.0 {
            self.check_position(field, lane, position)?;
            let mut released = self.feed.released(lane);
            if *released.borrow() >= position {
                continue;
            }
            self.log.look();
            let reached = released.wait_for(|released| *released >= position);
            if tokio::time::timeout(CATCH_UP_MAX, reached).await.is_err() {
                return Err(Error::new(
                    Code::DependencyUnavailable,
                    "this instance has not yet seen what the token names; try again",
                )
                .with_retry_after(CATCH_UP_MAX));
            }
        }
        Ok(())
    }

    /// The end of each lane as it was at most `age` before this call, or later, and when that was.
    pub(crate) async fn look_at_end(&self, age: Duration) -> Result<(Cut, Seen)> {
        let called = Instant::now();
        let (mut end, mut seen) = (self.committed(), Seen::Everything);
        for lane in self.feed.lanes() {
            let Some(mut looks) = self.feed.looks(lane) else { continue };
            let recent = |look: &Sight| called.saturating_duration_since(look.at) <= age;
            if !recent(&looks.borrow()) {
                self.log.look();
            }
            let looked = tokio::time::timeout(CATCH_UP_MAX, looks.wait_for(recent)).await;
            let Ok(Ok(look)) = looked else {
                return Err(Error::new(
                    Code::DependencyUnavailable,
                    "the end of the log could not be seen; try again",
                )
                .with_retry_after(CATCH_UP_MAX));
            };
            end.raise(lane, look.position);
            seen = seen.and(Seen::Before(look.at));
        }
        Ok((end, seen))
    }

    /// Up to where everything has been released, and since when something newer may exist.
    pub(crate) fn seen(&self) -> (Cut, Seen) {
        let mut released = Cut::default();
        let mut seen = Seen::Everything;
        for lane in self.feed.lanes() {
            seen = seen.and(self.feed.seen(lane));
            released.raise(lane, self.feed.position(lane));
        }
        match self.log.is_sole_writer() {
            true => (released, Seen::Everything),
            false => (released, seen),
        }
    }

    /// Refuses a place that this store cannot have told.
    fn check_position(&self, field: &str, lane: Lane, position: Position) -> Result<()> {
        let refuse = |what: &str| {
            Err(Error::new(Code::TokenForeign, format!("{field}: {what}")).with_field(field, what))
        };
        if lane.0 >= self.log.lanes() {
            return refuse("the token names a lane that is not here; start again without it");
        }
        if self.log.is_sole_writer() && position > self.tail(lane) {
            return refuse(
                "the token names a position that this store has not reached: it was restored from \
                 an older copy; start again without it",
            );
        }
        Ok(())
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
                    let (aggregate, _) = self.loads.newest_at(stream).await?;
                    Ok((write::entry(&aggregate), Tier::Store))
                }
            })
            .await
    }
}
