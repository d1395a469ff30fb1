//! The pages in memory, within a bound, each as new as what has been acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gamemesh_domain::Result;
use gamemesh_domain::memory::{Collection, Name};
use gamemesh_vectors::Shelf;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::Engine;
use super::page::Page;

/// Collection and reader; the page of all has the empty name.
type Key = (Name, String);

pub(super) struct Pages(Mutex<Shelf<Key, Arc<Held>>>);

/// A page on the shelf.
pub(crate) struct Held {
    /// The store has something that the page has not.
    behind: AtomicBool,
    /// Whoever brings it up to date.
    reading: tokio::sync::Mutex<()>,
    page: RwLock<Page>,
}

impl Held {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Page> {
        self.page.read()
    }
}

impl Pages {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Mutex::new(Shelf::new(bytes_max)))
    }

    /// Tells pages that something of theirs was written. Called before the write is acknowledged.
    pub(super) fn touch(&self, collection: &Name, readers: &[String]) {
        let mut shelf = self.0.lock();
        for reader in readers {
            if let Some(held) = shelf.get(&(collection.clone(), reader.clone())) {
                held.behind.store(true, Ordering::Release);
            }
        }
    }
}

impl Engine {
    /// A page that has everything which was acknowledged before this call, by whomever.
    pub(crate) async fn page(&self, collection: &Collection, reader: &str) -> Result<Arc<Held>> {
        let key = (collection.name.clone(), reader.to_owned());
        let (held, found) = {
            let mut shelf = self.pages.0.lock();
            match shelf.get(&key) {
                Some(held) => (held, true),
                None => {
                    let held = Arc::new(Held {
                        behind: AtomicBool::new(true),
                        reading: tokio::sync::Mutex::new(()),
                        page: RwLock::new(Page::new(collection)),
                    });
                    shelf.put(key.clone(), held.clone(), 0);
                    (held, false)
                }
            }
        };
        match found {
            true => self.metrics.page_hits.inc(),
            false => self.metrics.page_misses.inc(),
        };
        // Others may write to a store that is shared, so it is always asked; it answers what is new.
        if self.tables.is_shared() || held.behind.load(Ordering::Acquire) {
            self.bring_up_to_date(collection, reader, &held).await?;
            let bytes = held.read().size_bytes();
            let mut shelf = self.pages.0.lock();
            // What is given up is dropped when its last reader is done.
            drop(shelf.put(key, held.clone(), bytes));
            self.metrics.pages_bytes.set(shelf.bytes() as i64);
        }
        Ok(held)
    }

    async fn bring_up_to_date(
        &self,
        collection: &Collection,
        reader: &str,
        held: &Held,
    ) -> Result<()> {
        let _reading = held.reading.lock().await;
        // Lowered before the store is asked: what is written from here on raises it again.
        let was_behind = held.behind.swap(false, Ordering::AcqRel);
        if !was_behind && !self.tables.is_shared() {
            return Ok(());
        }
        let after = {
            let mut page = held.page.write();
            page.follow_model(collection);
            page.change()
        };
        let name = collection.name.as_str();
        let applied = match self.tables.memory_page(name, reader, after).await {
            Ok(rows) => held.page.write().apply(rows),
            Err(error) => Err(error.into()),
        };
        if applied.is_err() {
            held.behind.store(true, Ordering::Release);
        }
        applied
    }
}
