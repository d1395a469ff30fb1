//! Reads: as fresh as asked for.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{Entry, Tier};
use gamemesh_domain::state::Aggregate;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Lane, LogError, Position, StreamName, Version, seeded_defect};

use super::shared::Wanted;
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
    ) -> Result<(Arc<Aggregate>, Tier)> {
        let mut head = None;
        match freshness {
            // Every write of the store passes through this process, and is in the cache before it is
            // acknowledged: what is here is the newest there is.
            Freshness::Strong | Freshness::Bounded(_) if self.log.is_sole_writer() => {}
            // Beside other instances the age of what is here is not known, so a bound is kept by
            // asking the store.
            Freshness::Strong | Freshness::Bounded(_) => {
                let version = self.log.head(stream).await?.map_or(0, |head| head.version);
                if !seeded_defect("cache.floor") {
                    self.cache.raise_floor(stream, version);
                }
                head = Some(version);
            }
            Freshness::AtLeast(cut) => self.catch_up("token", cut).await?,
            Freshness::Any => {}
        }
        let (entry, tier) = self.load(stream, head).await?;
        Ok((entry.value, tier))
    }

    /// A read that counts in the metrics.
    pub(crate) async fn observed_read(
        &self,
        stream: &StreamName,
        freshness: &Freshness,
    ) -> Result<(Arc<Aggregate>, Tier)> {
        let start_us = self.clock.now_micros();
        let outcome = self.read(stream, freshness).await;
        let end_us = self.clock.now_micros();
        let took_us = end_us.saturating_sub(start_us).unsigned_abs();
        self.metrics.read_seconds.observe(took_us as f64 / 1e6);
        self.analytics.read(end_us, took_us);
        if let Ok((_, tier)) = &outcome {
            self.metrics.count_tier(*tier, &self.cache);
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
            .get_or_load(stream, head.unwrap_or(0), async |known| {
                let _place = self.loads.acquire().await;
                match &self.shared {
                    Some(shared) => {
                        self.load_beside_others(shared, stream, Wanted { head, known }).await
                    }
                    None => Ok((write::entry(&self.history.newest(stream).await?), Tier::Store)),
                }
            })
            .await
    }
}
