//! What readers see of matches: the newest view that was published, without touching its writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gamemesh_domain::stats::{MatchView, Name, Status};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

/// Parts of the directory, so that new matches do not hold readers of others up.
const PARTS: usize = 64;

/// One match.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Events that its writer has counted.
    counted: AtomicU64,
    published: ArcSwapOption<(Instant, Arc<MatchView>)>,
    /// The newest version, for those who watch.
    versions: watch::Sender<u64>,
}

impl Default for Cell {
    fn default() -> Self {
        let versions = watch::Sender::new(0);
        Self { counted: AtomicU64::new(0), published: ArcSwapOption::empty(), versions }
    }
}

impl Cell {
    /// The writer has counted more.
    pub(crate) fn counted(&self, version: u64) {
        self.counted.store(version, Ordering::Release);
        // Either this sees a watcher who has just begun, or he sees the version.
        fence(Ordering::SeqCst);
        if !self.is_watched() {
            return;
        }
        self.versions.send_if_modified(|known| {
            let is_behind = *known < version;
            *known = version.max(*known);
            is_behind
        });
    }

    pub(crate) fn publish(&self, view: Arc<MatchView>) {
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

    /// Its writer has put the match aside: whoever asks, asks the writer.
    pub(crate) fn evict(&self) {
        self.published.store(None);
    }

    /// What was published last.
    pub(crate) fn last(&self) -> Option<Arc<MatchView>> {
        self.published.load().as_ref().map(|published| published.1.clone())
    }

    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        let versions = self.versions.subscribe();
        fence(Ordering::SeqCst);
        let counted = self.counted.load(Ordering::Acquire);
        self.versions.send_if_modified(|known| {
            let is_behind = *known < counted;
            *known = counted.max(*known);
            is_behind
        });
        versions
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.versions.receiver_count() > 0
    }
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

    /// The newest published views of matches that go on, in the order of their ids.
    pub(crate) fn active(&self) -> Vec<Arc<MatchView>> {
        let mut active = Vec::new();
        for part in &self.0 {
            let views = part.read().values().filter_map(|cell| cell.last()).collect::<Vec<_>>();
            let goes_on =
                |view: &Arc<MatchView>| matches!(view.status(), Status::Gathering | Status::Active);
            active.extend(views.into_iter().filter(goes_on));
        }
        active.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        active
    }
}
