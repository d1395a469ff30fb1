//! What a watcher has missed, read from the log.

use std::collections::HashMap;
use std::sync::Arc;

use gamemesh_domain::Result;
use gamemesh_domain::document::Aggregate;
use gamemesh_feed::{Cut, Read, Scope};
use gamemesh_repository::{Direction, Event, Lane, LogError, Position, StreamName, Version};

use crate::Applied;
use crate::{Documents, encoding};

/// Events read at once.
const PAGE_EVENTS_MAX: usize = 512;

/// Aggregates whose last state is kept while reading on.
const STATES_MAX: usize = 4_096;

/// Reads from a watcher's cut to where its mailbox begins.
pub(super) struct Backlog {
    to: Cut,
    /// For a watch of one aggregate: the next version to read, once it has been found.
    next_version: Option<Version>,
    states: HashMap<StreamName, Arc<Aggregate>>,
}

/// A part of the backlog.
pub(super) struct Page {
    /// The events of the scope.
    pub(super) events: Vec<Arc<Applied>>,
    /// Everything up to here has been examined.
    pub(super) reached: Cut,
    /// Nothing is left.
    pub(super) last: bool,
}

impl Backlog {
    pub(super) fn new(to: Cut) -> Self {
        Self { to, next_version: None, states: HashMap::new() }
    }

    /// The events of a scope after a cut: the next ones.
    pub(super) async fn read(
        &mut self,
        documents: &Documents,
        scope: &Scope,
        cut: &Cut,
    ) -> Result<Page> {
        match scope {
            Scope::Stream(stream) => Ok(self.read_stream(documents, stream, cut).await?),
            Scope::All | Scope::Category(_) => Ok(self.read_lanes(documents, scope, cut).await?),
        }
    }

    async fn read_stream(
        &mut self,
        documents: &Documents,
        stream: &StreamName,
        cut: &Cut,
    ) -> Result<Page, LogError> {
        let lane = stream.lane(documents.log.lanes());
        let end = self.to.position(lane);
        let from = match self.next_version {
            Some(version) => version,
            None => first_after(documents, stream, cut.position(lane)).await?,
        };
        let found =
            documents.log.read_stream(stream, from, PAGE_EVENTS_MAX, Direction::Forward).await?;
        let mut events = Vec::with_capacity(found.len());
        let mut reached = Cut::default();
        for event in found.into_iter().take_while(|event| event.position <= end) {
            self.next_version = Some(event.version + 1);
            reached.raise(lane, event.position);
            events.push(self.applied(documents, event).await?);
        }
        let last = events.len() < PAGE_EVENTS_MAX;
        if last {
            reached.raise_all(&self.to);
        }
        Ok(Page { events, reached, last })
    }

    async fn read_lanes(
        &mut self,
        documents: &Documents,
        scope: &Scope,
        cut: &Cut,
    ) -> Result<Page, LogError> {
        let left = |&&(lane, end): &&(Lane, Position)| cut.position(lane) < end;
        let Some(&(lane, end)) = self.to.0.iter().find(left) else {
            return Ok(Page { events: Vec::new(), reached: self.to.clone(), last: true });
        };
        let after = cut.position(lane);
        let reached = (after + PAGE_EVENTS_MAX as u64).min(end);
        let events = self.read_lane(documents, scope, lane, after, reached).await?;
        Ok(Page { events, reached: Cut::at(lane, reached), last: false })
    }

    async fn read_lane(
        &mut self,
        documents: &Documents,
        scope: &Scope,
        lane: Lane,
        after: Position,
        end: Position,
    ) -> Result<Vec<Arc<Applied>>, LogError> {
        let limit = (end - after) as usize;
        if let Read::Events(events) = documents.feed.read(lane, after, limit)
            && events.len() == limit
        {
            let wanted = events.into_iter().filter(|applied| scope.covers(&applied.event.stream));
            return Ok(wanted.collect());
        }
        let mut applied = Vec::new();
        for event in documents.log.read_lane(lane, after, limit).await? {
            if scope.covers(&event.stream) {
                applied.push(self.applied(documents, event).await?);
            }
        }
        Ok(applied)
    }

    async fn applied(
        &mut self,
        documents: &Documents,
        event: Event,
    ) -> Result<Arc<Applied>, LogError> {
        let known = self.states.get(&event.stream);
        let before = match known.filter(|state| state.version + 1 == event.version) {
            Some(state) => state.clone(),
            None => documents.history.state_at(&event.stream, event.version - 1).await?,
        };
        let applied = encoding::apply(before, event)?;
        if self.states.len() >= STATES_MAX {
            self.states.clear();
        }
        self.states.insert(applied.event.stream.clone(), applied.after.clone());
        Ok(Arc::new(applied))
    }
}

/// The first version of a stream after a position of its lane.
async fn first_after(
    documents: &Documents,
    stream: &StreamName,
    position: Position,
) -> Result<Version, LogError> {
    let Some(head) = documents.log.head(stream).await? else { return Ok(1) };
    // Positions grow with versions, so the place is found by halving.
    let (mut low, mut high) = (1, head.version + 1);
    while low < high {
        let middle = low.midpoint(high);
        let event = documents.log.read_stream(stream, middle, 1, Direction::Forward).await?;
        match event.first() {
            Some(event) if event.position <= position => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
