//! A watch: the present states, then every change after them, each once and in order.
//!
//! A watch follows its mailbox while it keeps up and reads the log while it does not. Either way
//! its cut moves over what it has examined, and a token made from the cut goes on right after it.

mod backlog;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::vec;

use async_stream::try_stream;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryFutureExt as _};
use gamemesh_domain::document::{Aggregate, EventFacts, Facts, Filter, Value};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::{Cut, Scope, Subscription};
use gamemesh_repository::{StreamName, Version, seeded_defect};
use tokio::time::Instant;

use self::backlog::{Backlog, Page};
use super::{Documents, Freshness};
use crate::Applied;

/// Rows of present states that are read at once.
const PRESENT_ROWS_MAX: usize = 500;

/// What to do when the watcher is slower than the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowWatcher {
    Lossless,
    Conflate,
    Drop,
}

#[derive(Debug, Clone)]
pub struct WatchRequest {
    pub scope: Scope,
    pub filter: Filter,
    /// Go on after this, instead of beginning with the present states.
    pub after: Option<Cut>,
    pub changes_only: bool,
    pub slow: SlowWatcher,
}

/// One message of a watch.
#[derive(Debug)]
pub enum Watched {
    Present { stream: StreamName, aggregate: Arc<Aggregate> },
    Begun { cut: Cut },
    Change { applied: Arc<Applied>, conflated: bool, cut: Cut },
    Checkpoint { cut: Cut },
}

impl Documents {
    pub fn watch(
        self: &Arc<Self>,
        request: WatchRequest,
    ) -> impl Stream<Item = Result<Watched>> + Send + use<> {
        // Most watches wait for most of their time, and there are many: what one needs only to begin or to
        // catch up is in boxes of its own, and what it hands on is kept once.
        let start = Box::pin(Follower::start(self.clone(), request));
        start.map_ok(|follower| stream::try_unfold(follower, Follower::step)).try_flatten_stream()
    }
}

type PresentStates = BoxStream<'static, Result<(StreamName, Arc<Aggregate>)>>;

struct Follower {
    documents: Arc<Documents>,
    filter: Filter,
    slow: SlowWatcher,
    subscription: Subscription<Applied>,
    /// The next messages.
    ready: vec::IntoIter<Watched>,
    /// Present states that are still to be sent, before the watch has begun.
    present: Option<PresentStates>,
    /// Everything up to here has been examined.
    cut: Cut,
    /// What is left to read from the log before the mailbox is up to date.
    backlog: Option<Box<Backlog>>,
    /// Versions that were shown as present states, whose changes are not shown again.
    presented: HashMap<StreamName, Version>,
    /// No present state holds anything after this.
    presented_up_to: Cut,
    /// Changes were passed over and the next one says so.
    conflating: bool,
    /// When the last message was sent.
    sent_at: Instant,
}

impl Follower {
    async fn start(documents: Arc<Documents>, request: WatchRequest) -> Result<Box<Self>> {
        if let Some(after) = &request.after {
            // The token may be of another instance that had seen more than this one.
            documents.feed.catch_up("resumeToken", after).await?;
        }
        let WatchRequest { scope, filter, after, changes_only, slow } = request;
        let (subscription, begin) = documents.hub.subscribe(scope);
        let mut follower = Box::new(Self {
            documents,
            filter,
            slow,
            subscription,
            ready: vec::IntoIter::default(),
            present: None,
            cut: begin,
            backlog: None,
            presented: HashMap::new(),
            presented_up_to: Cut::default(),
            conflating: false,
            sent_at: Instant::now(),
        });
        match after {
            Some(after) => {
                let begin = std::mem::take(&mut follower.cut);
                for &(lane, _) in &begin.0 {
                    follower.cut.raise(lane, after.position(lane));
                }
                follower.backlog = Some(Box::new(Backlog::new(begin)));
            }
            None if changes_only => follower.ready = follower.begun(),
            None => follower.present = Some(Box::pin(follower.present())),
        }
        Ok(follower)
    }

    /// The next message.
    async fn step(mut self: Box<Self>) -> Result<Option<(Watched, Box<Self>)>> {
        loop {
            if let Some(message) = self.ready.next() {
                return Ok(Some((message, self)));
            }
            // What a page of the backlog took is not kept through a wait.
            self.ready = vec::IntoIter::default();
            let Some(present) = &mut self.present else {
                self.ready = self.next().await?.into_iter();
                continue;
            };
            if let Some(state) = present.next().await {
                let (stream, aggregate) = state?;
                self.presented.insert(stream.clone(), aggregate.version);
                return Ok(Some((Watched::Present { stream, aggregate }, self)));
            }
            self.present = None;
            self.presented_up_to = self.documents.feed.committed();
            self.ready = self.begun();
        }
    }

    fn begun(&self) -> vec::IntoIter<Watched> {
        vec![Watched::Begun { cut: self.cut.clone() }].into_iter()
    }

    /// The present states. Each may be newer than where the watch begins, never older.
    fn present(&self) -> impl Stream<Item = Result<(StreamName, Arc<Aggregate>)>> + Send + use<> {
        let (documents, scope) = (self.documents.clone(), self.subscription.scope.clone());
        let (filter, from) = (self.filter.clone(), self.cut.clone());
        try_stream! {
            let types: Vec<String> = match &scope {
                Scope::Stream(stream) => {
                    let read = documents.read(stream, &Freshness::AtLeast(from)).await?;
                    let aggregate = read.aggregate;
                    if aggregate.exists() && matches_state(&filter, stream, &aggregate) {
                        yield (stream.clone(), aggregate);
                    }
                    return;
                }
                Scope::Category(name) => vec![name.to_string()],
                Scope::All => {
                    documents.types.all().iter().map(|s| s.type_name().to_string()).collect()
                }
            };
            documents.projector.written(&from).await?;
            for name in types {
                let mut after: Option<String> = None;
                loop {
                    let page = documents.tables.list(&name, after.as_deref(), PRESENT_ROWS_MAX).await?;
                    after = page.rows.last().map(|row| row.id.clone());
                    for row in page.rows {
                        let stream = StreamName::new(&name, &row.id);
                        let aggregate = documents.history.of_row(&stream, &row).await?;
                        if matches_state(&filter, &stream, &aggregate) {
                            yield (stream, aggregate);
                        }
                    }
                    if !page.more {
                        break;
                    }
                }
            }
        }
    }

    /// The next messages: at least one, unless only examined events moved the cut.
    async fn next(&mut self) -> Result<Vec<Watched>> {
        let messages = self.follow().await?;
        if !messages.is_empty() {
            self.sent_at = Instant::now();
        }
        Ok(messages)
    }

    async fn follow(&mut self) -> Result<Vec<Watched>> {
        if let Some(backlog) = &mut self.backlog {
            let page = Box::pin(backlog.read(&self.documents, &self.subscription.scope, &self.cut))
                .await?;
            return Ok(self.examine_page(page));
        }
        let examined = self.documents.hub.delivered();
        let due = self.sent_at + self.documents.config.watch_checkpoint_interval;
        match tokio::time::timeout_at(due, self.subscription.events.take()).await {
            Ok(Some(applied)) => {
                if applied.event.position <= self.cut.position(applied.event.lane) {
                    return Ok(Vec::new());
                }
                // A checkpoint is due also while events that do not match keep coming.
                let late = || Instant::now() >= due;
                let checkpoint = |cut| Watched::Checkpoint { cut };
                let message = self.examine(applied);
                Ok(message
                    .or_else(|| late().then(|| checkpoint(self.cut.clone())))
                    .into_iter()
                    .collect())
            }
            Ok(None) => self.fell_behind(),
            // The mailbox was empty after the hub had brought everything up to `examined`.
            Err(_) => {
                self.cut = examined;
                Ok(vec![Watched::Checkpoint { cut: self.cut.clone() }])
            }
        }
    }

    /// The mailbox overflowed and was taken away.
    fn fell_behind(&mut self) -> Result<Vec<Watched>> {
        match self.slow {
            SlowWatcher::Drop => {
                return Err(Error::new(
                    Code::SlowConsumer,
                    "the watcher was slower than the changes; resume with the last token, or choose \
                     another way for slow watchers",
                ));
            }
            SlowWatcher::Lossless => {}
            SlowWatcher::Conflate => self.conflating = true,
        }
        let (subscription, begin) = self.documents.hub.subscribe(self.subscription.scope.clone());
        self.subscription = subscription;
        self.backlog = Some(Box::new(Backlog::new(begin)));
        Ok(Vec::new())
    }

    /// The messages for a page of the backlog. One without a match leaves a checkpoint.
    fn examine_page(&mut self, page: Page) -> Vec<Watched> {
        let matching = page.events.into_iter().filter_map(|applied| self.examine(applied));
        let mut messages: Vec<_> = matching.collect();
        if self.conflating {
            messages = newest(messages);
        }
        self.cut.raise_all(&page.reached);
        if messages.is_empty() {
            messages.push(Watched::Checkpoint { cut: self.cut.clone() });
        }
        if page.last {
            self.backlog = None;
            self.conflating = false;
        }
        messages
    }

    /// Moves the cut over an event, and makes a message of it if it concerns the watcher.
    fn examine(&mut self, applied: Arc<Applied>) -> Option<Watched> {
        let event = &applied.event;
        let beyond = u64::from(seeded_defect("watch.checkpoint"));
        self.cut.raise(event.lane, event.position + beyond);
        match self.presented.get(&event.stream) {
            Some(version) if event.version <= *version => return None,
            Some(_) => drop(self.presented.remove(&event.stream)),
            None => {}
        }
        // One entry costs nothing; it goes with the next change of its aggregate.
        if self.presented.len() > 1 && self.cut.covers(&self.presented_up_to) {
            self.presented = HashMap::new();
        }
        let cut = self.cut.clone();
        matches_event(&self.filter, &applied).then(|| Watched::Change {
            applied,
            conflated: false,
            cut,
        })
    }
}

/// Of each aggregate only its last change, in the order of the changes. What the filter passes over
/// is gone by now: it must not stand in for a change that the watcher wants.
fn newest(messages: Vec<Watched>) -> Vec<Watched> {
    let mut seen = HashSet::new();
    let mut kept: Vec<_> = messages
        .into_iter()
        .rev()
        .filter_map(|message| match message {
            Watched::Change { applied, cut, .. } if seen.insert(applied.event.stream.clone()) => {
                Some(Watched::Change { applied, conflated: true, cut })
            }
            _ => None,
        })
        .collect();
    kept.reverse();
    kept
}

fn matches_state(filter: &Filter, stream: &StreamName, aggregate: &Aggregate) -> bool {
    filter.matches(&facts(stream, aggregate, &aggregate.state, None))
}

/// A deletion is sent to those who could see the aggregate before it.
fn matches_event(filter: &Filter, applied: &Applied) -> bool {
    let Applied { event, before, after } = applied;
    let state = if after.exists() { &after.state } else { &before.state };
    let (before, after_state) = (&before.state, &after.state);
    let of_event = EventFacts { kind: &event.kind, before, after: after_state };
    filter.matches(&facts(&event.stream, after, state, Some(of_event)))
}

fn facts<'a>(
    stream: &'a StreamName,
    aggregate: &Aggregate,
    state: &'a Value,
    event: Option<EventFacts<'a>>,
) -> Facts<'a> {
    Facts {
        type_name: stream.category(),
        id: stream.key(),
        version: aggregate.version,
        updated_at_us: aggregate.updated_at_us,
        state,
        event,
    }
}
