//! A shard: the only writer of its matches.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gamemesh_domain::stats::{Applied, Cause, Figure, Match, MatchView, Name};
use gamemesh_domain::{Error, Result};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::cells::Cell;
use super::{Engine, lane, unknown_match};
use crate::block::{Block, Fate};

/// Pieces of work that are done before what they changed is published.
const WORK_MAX: usize = 32;

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
}

struct Slot {
    counted: Match,
    cell: Arc<Cell>,
    refolds: u64,
    bytes: u64,
}

struct Shard {
    engine: Arc<Engine>,
    number: usize,
    matches: HashMap<Name, Slot>,
    /// Counted, and not published to the boards.
    changed: BTreeSet<Name>,
}

pub(super) async fn run(
    engine: Arc<Engine>,
    number: usize,
    mut inbox: mpsc::Receiver<Work>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(engine.config.board_interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shard = Shard { engine, number, matches: HashMap::new(), changed: BTreeSet::new() };
    let mut work = Vec::with_capacity(WORK_MAX);
    loop {
        tokio::select! {
            received = inbox.recv_many(&mut work, WORK_MAX) => {
                if received == 0 {
                    return;
                }
                for work in work.drain(..) {
                    shard.work(work);
                }
                shard.publish_watched();
            }
            _ = tick.tick() => shard.publish(),
            () = stop.cancelled() => return,
        }
    }
}

impl Shard {
    fn work(&mut self, work: Work) {
        match work {
            Work::Count { block, part } => self.count(&block, &part),
            // Whoever does not wait any more is not told.
            Work::View { id, version, reply } => drop(reply.send(self.view(&id, version))),
            Work::Explain { id, player, figures, reply } => {
                let slot = self.matches.get_mut(id.as_str()).ok_or_else(|| unknown_match(&id));
                let _ = reply.send(slot.map(|slot| slot.counted.explain(&player, figures)));
            }
            Work::Publish { reply } => {
                self.publish();
                let _ = reply.send(());
            }
        }
    }

    fn count(&mut self, block: &Block, part: &[u32]) {
        let metrics = &self.engine.metrics;
        let mut tally = [0_u64; 6];
        let mut touched: Option<Name> = None;
        for &index in part {
            let event = &block.content.events[index as usize];
            if !self.matches.contains_key(&event.match_id) {
                let counted = Match::new(event.match_id.clone(), self.engine.config.rules);
                let cell = self.engine.cells.get_or_insert(&event.match_id);
                self.matches
                    .insert(event.match_id.clone(), Slot { counted, cell, refolds: 0, bytes: 0 });
            }
            let Some(slot) = self.matches.get_mut(&event.match_id) else { continue };
            let fate = match slot.counted.apply(event, block.time_us) {
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
            slot.cell.counted(slot.counted.version());
        }
        metrics.processed.inc_by(tally[Fate::Counted as usize] + tally[Fate::Late as usize]);
        metrics.late.inc_by(tally[Fate::Late as usize]);
        metrics.duplicates.inc_by(tally[Fate::Duplicate as usize]);
        metrics.conflicts.inc_by(tally[Fate::Conflict as usize]);
        metrics.refused.inc_by(tally[Fate::Full as usize]);
        lane::done(&self.engine, block);
    }

    fn view(&mut self, id: &str, version: Option<u64>) -> Result<Arc<MatchView>> {
        let slot = self.matches.get_mut(id).ok_or_else(|| unknown_match(id))?;
        match version {
            Some(0) => Err(Error::invalid("asOfVersion", "accepts 1 and more")),
            Some(version) => Ok(Arc::new(slot.counted.view_at(version)?)),
            None => Ok(slot.publish(&self.engine)),
        }
    }

    fn publish_watched(&mut self) {
        for id in &self.changed {
            if let Some(slot) = self.matches.get_mut(id).filter(|slot| slot.cell.is_watched()) {
                slot.publish(&self.engine);
            }
        }
    }

    /// Publishes everything that has changed, to readers and to the boards.
    fn publish(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            if let Some(slot) = self.matches.get_mut(&id) {
                let view = slot.publish(&self.engine);
                self.engine.standings.tell(view);
                let bytes = slot.counted.bytes() as u64;
                let memory = &self.engine.memory[self.number];
                memory.fetch_add(bytes, Ordering::Relaxed);
                memory.fetch_sub(std::mem::replace(&mut slot.bytes, bytes), Ordering::Relaxed);
            }
        }
    }
}

impl Slot {
    fn publish(&mut self, engine: &Engine) -> Arc<MatchView> {
        if let Some(view) = self.cell.at_hand(None) {
            return view;
        }
        let view = Arc::new(self.counted.view());
        self.cell.publish(view.clone());
        let refolds = self.counted.refolds();
        engine.metrics.refolds.inc_by(refolds - std::mem::replace(&mut self.refolds, refolds));
        view
    }
}
