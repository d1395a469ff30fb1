//! Totals over all matches, boards and ratings: one task follows the matches, readers look at what it has
//! written.

use std::collections::BTreeMap;
use std::sync::Arc;

use gamemesh_domain::stats::{Contribution, MatchView, Name, Ratings, Season, Status, Totals};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;

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
        let mut taken = self.taken.subscribe();
        self.urgent.notify_one();
        // The task ends with the process only.
        let _ = taken.wait_for(|taken| *taken >= number).await;
    }

    fn take_in(&self, views: Vec<Arc<MatchView>>) {
        for views in views.chunks(MATCHES_AT_ONCE) {
            let contributions: Vec<_> =
                views.iter().filter_map(|view| contribution(view)).collect();
            let mut totals = self.totals.write();
            contributions.into_iter().for_each(|contribution| totals.apply(contribution));
        }
        let mut ratings = self.ratings.write();
        for view in views {
            ratings.set(view.id(), view.outcome());
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
        standings.take_in(views.into_values().collect());
        standings.taken.send_replace(number);
        let pause = began.elapsed() * SHARE;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = standings.urgent.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What a match adds to its players' totals; nothing before its first event.
pub(crate) fn contribution(view: &MatchView) -> Option<Contribution> {
    let voided = view.status() == Status::Voided;
    let players = if voided { Vec::new() } else { view.players() };
    Some(Contribution {
        match_id: view.id().clone(),
        version: view.version(),
        dated_us: view.dated_us()?,
        players: players.into_iter().map(|player| (player.id, player.figures)).collect(),
    })
}
