//! Totals over all matches, boards and ratings: one task follows the matches, readers look at what it has
//! written.

use std::collections::BTreeMap;
use std::sync::Arc;

use gamemesh_domain::stats::{MatchView, Name, Ratings, Season, Totals};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::summary::Summary;

/// Matches whose figures are taken in before readers get their turn.
const MATCHES_AT_ONCE: usize = 16;

/// The boards take at most one part in so many of a core, when matches change faster than they follow.
const SHARE: u32 = 3;

#[derive(Debug)]
pub(crate) struct Standings {
    /// The newest view of each match that has changed.
    told: Mutex<Told>,
    arrived: Notify,
    /// What was told up to here is taken in.
    taken: watch::Sender<u64>,
    pub(crate) totals: RwLock<Totals>,
    pub(crate) ratings: RwLock<Ratings>,
    /// Somebody waits.
    urgent: Notify,
}

#[derive(Debug, Default)]
struct Told {
    number: u64,
    views: BTreeMap<Name, Arc<MatchView>>,
}

impl Standings {
    pub(super) fn new(season: Season) -> Self {
        Self {
            told: Mutex::default(),
            arrived: Notify::new(),
            taken: watch::Sender::new(0),
            totals: RwLock::new(Totals::new(season)),
            ratings: RwLock::default(),
            urgent: Notify::new(),
        }
    }

    /// A match has changed.
    pub(super) fn tell(&self, view: Arc<MatchView>) {
        let mut told = self.told.lock();
        told.number += 1;
        told.views.insert(view.id().clone(), view);
        drop(told);
        self.arrived.notify_one();
    }

    /// Waits until what was told is taken in.
    pub(super) async fn settled(&self) {
        let number = self.told.lock().number;
        if *self.taken.borrow() >= number {
            return;
        }
        let mut taken = self.taken.subscribe();
        self.urgent.notify_one();
        // The task ends with the process only.
        let _ = taken.wait_for(|taken| *taken >= number).await;
    }

    /// Takes matches in, whose figures and results replace what was known of them.
    pub(super) fn take_in(&self, summaries: Vec<Summary>) {
        let mut outcomes = Vec::new();
        let mut summaries = summaries.into_iter();
        loop {
            let some: Vec<Summary> = summaries.by_ref().take(MATCHES_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            let mut totals = self.totals.write();
            for summary in some {
                outcomes.push((summary.contribution.match_id.clone(), summary.outcome));
                totals.apply(&summary.contribution);
            }
        }
        let mut ratings = self.ratings.write();
        for (match_id, outcome) in outcomes {
            ratings.set(&match_id, outcome);
        }
        ratings.settle();
    }
}

pub(super) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let standings = &engine.standings;
    loop {
        tokio::select! {
            () = standings.arrived.notified() => {}
            () = stop.cancelled() => return,
        }
        let (number, views) = {
            let mut told = standings.told.lock();
            (told.number, std::mem::take(&mut told.views))
        };
        let began = Instant::now();
        standings.take_in(views.values().filter_map(|view| Summary::of(view)).collect());
        standings.taken.send_replace(number);
        let pause = began.elapsed() * SHARE;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = standings.urgent.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}
