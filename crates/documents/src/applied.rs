//! Events with the aggregates around them: what the readers of the feed get.

use std::collections::HashMap;
use std::sync::Arc;

use gamemesh_domain::document::Aggregate;
use gamemesh_feed::{Enrich, Entry, Releaser};
use gamemesh_repository::{Event, LogError, StreamName, seeded_defect};

use crate::{Documents, encoding, write};

/// A committed event with the aggregate before and after it.
#[derive(Debug)]
pub struct Applied {
    pub event: Event,
    pub before: Arc<Aggregate>,
    pub after: Arc<Aggregate>,
}

impl Entry for Applied {
    fn event(&self) -> &Event {
        &self.event
    }
}

impl Enrich for Documents {
    type Entry = Applied;

    /// The aggregates are cached: one that has just been written is likely to be written again, and the
    /// next event then folds on from here.
    async fn enrich(
        &self,
        events: Vec<Event>,
        releaser: &Releaser<'_, Applied>,
    ) -> Result<(), LogError> {
        // The cache may be ahead of an event, or too small to hold on to its aggregate.
        let mut reached: HashMap<StreamName, Arc<Aggregate>> = HashMap::new();
        for event in events {
            let stream = event.stream.clone();
            let precedes = |aggregate: &Arc<Aggregate>| aggregate.version + 1 == event.version;
            let cached = || self.cache.peek(&stream).map(|entry| entry.value);
            let before = match reached.remove(&stream).or_else(cached).filter(precedes) {
                Some(before) => before,
                None => self.history.state_at(&stream, event.version - 1).await?,
            };
            let applied = Arc::new(encoding::apply(before, event)?);
            let Event { lane, position, version, .. } = applied.event;
            if let Some(shared) = &self.shared {
                shared.note(&stream, lane, position, version);
            }
            if !seeded_defect("cache.feed") {
                // If a later event has been offered, the cache may have had what follows from it, and must
                // not have less.
                let is_newest = || releaser.is_newest(&stream, position);
                self.cache.put_if(&stream, write::entry(&applied.after), is_newest);
            }
            reached.insert(stream, applied.after.clone());
            releaser.release(applied);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use gamemesh_repository::{Lane, Position};
    use uuid::Uuid;

    use super::*;

    pub(crate) fn event(lane: u16, position: Position) -> Event {
        Event {
            stream: StreamName::new("guild", "g"),
            version: 1,
            lane: Lane(lane),
            position,
            time_us: 0,
            id: Uuid::nil(),
            kind: "created".into(),
            data: bytes::Bytes::new(),
            meta: bytes::Bytes::new(),
        }
    }
}
