//! A shard: the only writer of its matches.

mod held;
mod slot;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gamemesh_domain::Result;
use gamemesh_domain::stats::{Applied, Cause, Event, EventId, Figure, Match, MatchView, Name};
use gamemesh_repository::{Lane, seeded_defect};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::slot::Slot;
use super::keeper::Keep;
use super::{Engine, archive, keeper, lane, unknown_match};
use crate::block::{Block, Fate};

/// Pieces of work that are done before what they changed is published.
const WORK_MAX: usize = 32;

/// How long a database that does not answer is left alone.
const RECALL_DELAY: Duration = Duration::from_millis(500);

pub(super) enum Work {
    /// Events of a block, by their numbers.
    Count {
        block: Arc<Block>,
        part: Vec<u32>,
    },
    View {
        id: String,
        version: Option<u64>,
        reply: oneshot::Sender<Result<Arc<MatchView>>>,
    },
    Explain {
        id: String,
        player: String,
        figures: &'static [Figure],
        reply: oneshot::Sender<Result<Vec<Cause>>>,
    },
    /// Everything that has changed.
    Publish {
        reply: oneshot::Sender<()>,
    },
    /// What of a lane is to be kept; `all` of it before the end.
    Keep {
        lane: Lane,
        all: bool,
        reply: oneshot::Sender<Keep>,
    },
    /// What became of a row that was handed over.
    Kept {
        id: Name,
        version: u64,
        is_kept: bool,
    },
}

/// What a shard begins with.
pub(super) struct Begin {
    pub(super) number: usize,
    /// Matches that are in the tables and not in memory.
    pub(super) archived: HashSet<Name>,
}

struct Shard {
    engine: Arc<Engine>,
    number: usize,
    /// Boxed: a map keeps room for many that it does not have.
    matches: HashMap<Name, Box<Slot>>,
    archived: HashSet<Name>,
    /// Counted, and not published to the boards.
    changed: BTreeSet<Name>,
    /// Parts of blocks.
    counted: u64,
}

pub(super) async fn run(
    engine: Arc<Engine>,
    begin: Begin,
    mut inbox: mpsc::Receiver<Work>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(engine.config.board_interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let Begin { number, archived } = begin;
    let (matches, changed) = (HashMap::new(), BTreeSet::new());
    let mut shard = Shard { engine, number, matches, archived, changed, counted: 0 };
    let mut work = Vec::with_capacity(WORK_MAX);
    loop {
        tokio::select! {
            received = inbox.recv_many(&mut work, WORK_MAX) => {
                if received == 0 {
                    return;
                }
                for work in work.drain(..) {
                    shard.work(work).await;
                }
                shard.publish_watched();
            }
            _ = tick.tick() => shard.publish(),
            () = stop.cancelled() => return,
        }
    }
}

impl Shard {
    async fn work(&mut self, work: Work) {
        match work {
            Work::Count { block, part } => {
                for &index in &part {
                    self.recall(&block.content.events[index as usize].match_id).await;
                }
                self.count(&block, &part);
            }
            // Whoever does not wait any more is not told.
            Work::View { id, version, reply } => {
                let view = match self.find(&id).await {
                    Some(slot) => slot.view(version),
                    None => Err(unknown_match(&id)),
                };
                let _ = reply.send(view);
            }
            Work::Explain { id, player, figures, reply } => {
                let slot = self.find(&id).await.ok_or_else(|| unknown_match(&id));
                let _ = reply.send(slot.map(|slot| slot.explain(&player, figures)));
            }
            Work::Publish { reply } => {
                self.publish();
                let _ = reply.send(());
            }
            Work::Keep { lane, all, reply } => {
                self.publish();
                let _ = reply.send(self.keep(lane, all));
            }
            Work::Kept { id, version, is_kept } => {
                if let Some(slot) = self.matches.get_mut(&id) {
                    slot.kept(version, is_kept);
                }
                self.evict(&id);
            }
        }
    }

    async fn find(&mut self, id: &str) -> Option<&mut Slot> {
        let name = Name::parse("matchId", id).ok()?;
        self.recall(&name).await;
        self.matches.get_mut(&name).map(AsMut::as_mut)
    }

    /// Takes a match out of the tables, if that is where it is. Without it nothing of it can be counted:
    /// whoever sends more of it waits for the database.
    async fn recall(&mut self, id: &Name) {
        if !self.archived.contains(id) {
            return;
        }
        loop {
            match self.engine.tables.match_state_bytes(id.as_str()).await {
                Ok(Some(bytes)) => {
                    let rules = self.engine.config.rules;
                    match archive::unpack(&bytes, rules) {
                        Some(counted) => {
                            let lane = self.engine.lane_of(id);
                            let cell = self.engine.cells.get_or_insert(id);
                            let slot = Slot::recalled(counted, cell, lane);
                            self.matches.insert(id.clone(), Box::new(slot));
                        }
                        // Its events are in the log; what is answered until it is mended is less.
                        None => tracing::error!(match_id = %id, "a kept match cannot be read"),
                    }
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, match_id = %id, "a match cannot be taken out of the tables");
                    tokio::time::sleep(RECALL_DELAY).await;
                }
            }
        }
        self.archived.remove(id);
    }

    /// A match that nothing comes for leaves the memory.
    fn evict(&mut self, id: &Name) {
        let evict_after = self.engine.config.evict_after;
        if self.matches.get(id).is_some_and(|slot| slot.is_over(evict_after))
            && let Some(slot) = self.matches.remove(id)
        {
            slot.evicted(&self.engine.memory[self.number]);
            drop(slot);
            self.engine.cells.forget_unused(id.as_str());
            self.archived.insert(id.clone());
        }
    }

    /// What of a lane is to be kept.
    fn keep(&mut self, lane: Lane, all: bool) -> Keep {
        let mut keep = Keep::default();
        let mut over = Vec::new();
        for (id, slot) in self.matches.iter_mut().filter(|(_, slot)| slot.lane == lane) {
            if keep.rows.len() < keeper::ROWS_MAX && slot.is_due(all) {
                keep.rows.extend(slot.row());
            } else if let Some(position) = slot.unkept_from() {
                let floor = position.saturating_sub(1);
                keep.floor = Some(keep.floor.map_or(floor, |other| other.min(floor)));
            } else if slot.is_over(self.engine.config.evict_after) {
                over.push(id.clone());
            }
            slot.rest_if_quiet(&self.engine.memory[self.number]);
        }
        over.iter().for_each(|id| self.evict(id));
        keep
    }

    fn count(&mut self, block: &Block, part: &[u32]) {
        let metrics = &self.engine.metrics;
        let mut tally = [0_u64; 6];
        let mut touched: Option<Name> = None;
        for &index in part {
            let event = &block.content.events[index as usize];
            let slot = match self.matches.get_mut(&event.match_id) {
                Some(slot) => slot,
                None => {
                    let counted = Match::new(event.match_id.clone(), self.engine.config.rules);
                    let cell = self.engine.cells.get_or_insert(&event.match_id);
                    let slot = Slot::new(counted, cell, block.lane);
                    self.matches.entry(event.match_id.clone()).or_insert(Box::new(slot))
                }
            };
            let defective = defective(event, slot.counted().version());
            let event = defective.as_ref().unwrap_or(event);
            let fate = match slot.counted().apply(event, block.time_us) {
                Ok(Applied::Counted { late: false }) => Fate::Counted,
                Ok(Applied::Counted { late: true }) => Fate::Late,
                Ok(Applied::Duplicate) => Fate::Duplicate,
                Ok(Applied::Conflict) => Fate::Conflict,
                Err(_) => Fate::Full,
            };
            tally[fate as usize] += 1;
            block.set(index as usize, fate);
            if touched.as_ref() != Some(&event.match_id) {
                self.changed.insert(event.match_id.clone());
                touched = Some(event.match_id.clone());
            }
            if matches!(fate, Fate::Counted | Fate::Late) {
                slot.changed(block.position);
            }
        }
        metrics.processed.inc_by(tally[Fate::Counted as usize] + tally[Fate::Late as usize]);
        metrics.late.inc_by(tally[Fate::Late as usize]);
        metrics.duplicates.inc_by(tally[Fate::Duplicate as usize]);
        metrics.conflicts.inc_by(tally[Fate::Conflict as usize]);
        metrics.refused.inc_by(tally[Fate::Full as usize]);
        self.counted += 1;
        lane::done(&self.engine, block);
    }

    fn publish_watched(&mut self) {
        for id in &self.changed {
            if let Some(slot) = self.matches.get_mut(id).filter(|slot| slot.is_watched()) {
                slot.publish();
            }
        }
    }

    /// Publishes everything that has changed, to readers and to the boards.
    fn publish(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            if let Some(slot) = self.matches.get_mut(&id) {
                let view = slot.publish();
                self.engine.shared.tell(&view);
                self.engine.standings.tell(view);
                slot.measure(&self.engine.metrics.refolds, &self.engine.memory[self.number]);
            }
        }
        self.engine.work[self.number].published.store(self.counted, Ordering::Release);
    }
}

/// What a shard with a defect takes an event for, so that tests are seen to find it.
fn defective(event: &Event, version: u64) -> Option<Event> {
    if seeded_defect("stats.no_deduplication") {
        // Every repetition is another event.
        let id = EventId::of_sequence(&event.id.to_string(), 0, version);
        return Some(Event { id, ..event.clone() });
    }
    // What comes late is not folded where it belongs, but when it comes.
    let has_come_us = 1_767_225_600_000_000 + version as i64 * 1_000;
    seeded_defect("stats.no_refold").then(|| Event { time_us: has_come_us, ..event.clone() })
}
