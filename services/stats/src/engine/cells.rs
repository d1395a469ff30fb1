//! What readers see of matches: the newest view that was published, without touching its writer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gamemesh_domain::stats::{MatchView, Name, Status};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

/// Parts of the directory, so that new matches do not hold readers of others up.
const PARTS: usize = 64;

/// One match.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    /// Events that its writer has counted.
    counted: AtomicU64,
    /// It has not ended, by the view that was published last.
    goes_on: AtomicBool,
    published: ArcSwapOption<(Instant, Arc<MatchView>)>,
    /// The newest version, for those who watch; few matches are watched.
    versions: OnceLock<watch::Sender<u64>>,
}

impl Cell {
    /// The writer has counted more.
    pub(crate) fn counted(&self, version: u64) {
        self.counted.store(version, Ordering::Release);
        // Either this sees a watcher who has just begun, or he sees the version.
        fence(Ordering::SeqCst);
        if let Some(versions) = self.watchers() {
            tell(versions, version);
        }
    }

    pub(crate) fn publish(&self, view: Arc<MatchView>) {
        let goes_on = matches!(view.status(), Status::Gathering | Status::Active);
        self.goes_on.store(goes_on, Ordering::Release);
        self.published.store(Some(Arc::new((Instant::now(), view))));
    }

    /// What was published, if it has everything that was counted, or was complete not longer ago than
    /// `max_age`.
    pub(crate) fn at_hand(&self, max_age: Option<Duration>) -> Option<Arc<MatchView>> {
        let counted = self.counted.load(Ordering::Acquire);
        let published = self.published.load();
        let (at, view) = &**published.as_ref()?;
        let fresh = view.version() >= counted || max_age.is_some_and(|age| at.elapsed() <= age);
        fresh.then(|| view.clone())
    }

    /// Its writer has nothing at hand any more: whoever asks, asks the writer.
    pub(crate) fn rest(&self) {
        self.published.store(None);
    }

    /// Its writer has put the match aside.
    pub(crate) fn evict(&self) {
        self.goes_on.store(false, Ordering::Release);
        self.rest();
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on.load(Ordering::Acquire)
    }

    /// Nobody has asked the writer for so long.
    pub(crate) fn is_stale(&self, age: Duration) -> bool {
        self.published.load().as_ref().is_none_or(|published| published.0.elapsed() > age)
    }

    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        let sender = self.versions.get_or_init(|| watch::Sender::new(0));
        let versions = sender.subscribe();
        fence(Ordering::SeqCst);
        tell(sender, self.counted.load(Ordering::Acquire));
        versions
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watchers().is_some()
    }

    fn watchers(&self) -> Option<&watch::Sender<u64>> {
        self.versions.get().filter(|versions| versions.receiver_count() > 0)
    }
}

fn tell(versions: &watch::Sender<u64>, version: u64) {
    versions.send_if_modified(|known| {
        let is_behind = *known < version;
        *known = version.max(*known);
        is_behind
    });
}

/// All matches by their ids.
#[derive(Debug)]
pub(crate) struct Cells(Vec<RwLock<std::collections::BTreeMap<Name, Arc<Cell>>>>);

impl Default for Cells {
    fn default() -> Self {
        Self((0..PARTS).map(|_| RwLock::default()).collect())
    }
}

impl Cells {
    fn part(&self, id: &str) -> &RwLock<std::collections::BTreeMap<Name, Arc<Cell>>> {
        let hash = id.bytes().fold(5_381_usize, |h, b| h.wrapping_mul(33) ^ usize::from(b));
        &self.0[hash % PARTS]
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Cell>> {
        self.part(id).read().get(id).cloned()
    }

    pub(crate) fn get_or_insert(&self, id: &Name) -> Arc<Cell> {
        if let Some(cell) = self.get(id.as_str()) {
            return cell;
        }
        self.part(id.as_str()).write().entry(id.clone()).or_default().clone()
    }

    /// Forgets a match that nobody holds: it is in the tables, or nothing ever came of it.
    pub(crate) fn forget_unused(&self, id: &str) {
        let mut part = self.part(id).write();
        // Whoever takes one does so under this lock.
        if part.get(id).is_some_and(|cell| Arc::strong_count(cell) == 1) {
            part.remove(id);
        }
    }

    /// Matches that go on, in order.
    pub(crate) fn active(&self) -> Vec<Name> {
        let mut active = Vec::new();
        for part in &self.0 {
            let part = part.read();
            active.extend(part.iter().filter(|(_, cell)| cell.goes_on()).map(|(id, _)| id.clone()));
        }
        active.sort_unstable();
        active
    }
}
