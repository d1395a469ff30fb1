//! What has changed lately, to prove that a value of the shared cache is still the newest.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

/// What the changes of a lane say of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing newer lies in what has been seen of the lane.
    Newest,
    /// Something newer has been seen.
    Older,
    /// The value is from before the window, or from beyond what has been seen.
    Unknown,
}

/// The last change of each key of one lane, over a window of positions that ends where the lane has
/// been seen to.
///
/// Two generations of at most `entries_max` keys: when the younger one is full, the older one is
/// forgotten and the window begins later. Keys are kept as hashes with a key of this process; two keys
/// of the same hash would share the later change, about once in 10¹⁰ full windows.
#[derive(Debug)]
pub struct RecentChanges {
    window: Mutex<Window>,
    hasher: RandomState,
    entries_max: usize,
}

#[derive(Debug)]
struct Window {
    /// Every change after this position that was noted is in one of the two generations.
    start: u64,
    old: HashMap<u64, Change>,
    /// The same for the young one alone.
    young_start: u64,
    young: HashMap<u64, Change>,
    /// The highest position noted.
    noted: u64,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    position: u64,
    version: u64,
}

impl RecentChanges {
    /// A window that begins after `start`.
    pub fn new(start: u64, entries_max: usize) -> Self {
        Self {
            window: Mutex::new(Window {
                start,
                old: HashMap::new(),
                young_start: start,
                young: HashMap::new(),
                noted: start,
            }),
            hasher: RandomState::new(),
            entries_max,
        }
    }

    /// A key has a version since a position. Changes may be noted in any order, but what has been
    /// seen is only what was noted without a gap.
    pub fn note(&self, key: &str, position: u64, version: u64) {
        let hash = self.hasher.hash_one(key);
        let mut window = self.window.lock();
        if window.young.len() >= self.entries_max && !window.young.contains_key(&hash) {
            window.old = std::mem::take(&mut window.young);
            window.start = window.young_start;
            window.young_start = window.noted;
        }
        window.noted = window.noted.max(position);
        keep_later(&mut window.young, hash, Change { position, version });
    }

    /// Where the window begins.
    pub fn start(&self) -> u64 {
        self.window.lock().start
    }

    /// Makes a window that began at `from` begin at `start`, given the changes between them. Says
    /// whether it did: not if the window has moved on by then, nor if it would hold too much.
    pub fn extend<'a>(
        &self,
        from: u64,
        start: u64,
        changes: impl ExactSizeIterator<Item = (&'a str, u64, u64)>,
    ) -> bool {
        let mut window = self.window.lock();
        if window.start != from || window.old.len() + changes.len() > self.entries_max {
            return false;
        }
        for (key, position, version) in changes {
            let hash = self.hasher.hash_one(key);
            keep_later(&mut window.old, hash, Change { position, version });
        }
        window.start = start;
        true
    }

    /// What is known of a value that was the newest at `as_of`, where the lane has been seen up to
    /// `seen`.
    ///
    /// A value from beyond `seen` proves nothing, although an honest one would be newer than
    /// anything seen: in a store that was restored from an older copy, that place of the log has
    /// another history.
    pub fn proof(&self, key: &str, version: u64, as_of: u64, seen: u64) -> Proof {
        let hash = self.hasher.hash_one(key);
        let window = self.window.lock();
        let last = window.young.get(&hash).into_iter().chain(window.old.get(&hash));
        // What was noted late may lie before the window, where later ones are forgotten already.
        let last = last.filter(|change| change.position > window.start).max_by_key(|c| c.position);
        match last {
            Some(last) if last.version == version => Proof::Newest,
            Some(last) if last.version > version => Proof::Older,
            None if (window.start..=seen).contains(&as_of) => Proof::Newest,
            _ => Proof::Unknown,
        }
    }
}

fn keep_later(changes: &mut HashMap<u64, Change>, hash: u64, change: Change) {
    let known = changes.entry(hash).or_insert(change);
    if change.position > known.position {
        *known = change;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Proof, RecentChanges};

    #[test]
    fn a_value_is_proven_by_what_was_seen_after_it() {
        let changes = RecentChanges::new(100, 10);
        changes.note("a", 105, 3);
        let proof = |key, version, as_of| changes.proof(key, version, as_of, 110);
        assert_eq!(proof("a", 3, 105), Proof::Newest);
        assert_eq!(proof("a", 3, 50), Proof::Newest, "the version itself was seen");
        assert_eq!(proof("a", 2, 104), Proof::Older);
        assert_eq!(proof("a", 2, 120), Proof::Older, "whatever it says of itself");
        assert_eq!(proof("a", 4, 111), Proof::Unknown, "newer than what was seen");
        assert_eq!(proof("b", 9, 100), Proof::Newest);
        assert_eq!(proof("b", 9, 99), Proof::Unknown, "from before the window");
        assert_eq!(proof("b", 9, 111), Proof::Unknown, "from beyond what was seen");
    }

    #[test]
    fn a_window_is_extended_only_where_it_begins() {
        let changes = RecentChanges::new(100, 3);
        assert!(changes.extend(100, 50, [("a", 60, 1), ("a", 70, 2)].into_iter()));
        assert_eq!(changes.proof("a", 1, 60, 100), Proof::Older);
        assert_eq!(changes.proof("b", 1, 50, 100), Proof::Newest);
        assert!(!changes.extend(100, 40, [].into_iter()), "it begins at 50");
        let many = [("c", 49, 1), ("d", 48, 1), ("e", 47, 1)];
        assert!(!changes.extend(50, 40, many.into_iter()), "it would hold too much");
        assert_eq!(changes.start(), 50);
    }

    proptest! {
        /// Against the whole history: what is said to be the newest is, and what is said to be older
        /// is, with however few entries and in whatever order the changes were noted.
        #[test]
        fn what_is_proven_is_true(
            keys in proptest::collection::vec(0..12_usize, 1..150),
            swaps in proptest::collection::vec(0..150_usize, 0..40),
            entries_max in 1..8_usize,
            asked in proptest::collection::vec((0..12_usize, 0..8_u64, 0..160_u64), 1..60),
        ) {
            const KEYS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
            let mut versions = [0; 12];
            let history: Vec<(usize, u64, u64)> = (1..).zip(&keys).map(|(position, &key)| {
                versions[key] += 1;
                (key, position, versions[key])
            }).collect();
            let mut order = history.clone();
            for at in swaps {
                let at = at % order.len();
                let next = (at + 1) % order.len();
                order.swap(at, next);
            }
            let changes = RecentChanges::new(0, entries_max);
            for (key, position, version) in order {
                changes.note(KEYS[key], position, version);
            }
            let end = history.len() as u64;
            for (key, version, as_of) in asked {
                // A value is honest about itself: this version was the newest at that position.
                let at = |position: u64| history.iter()
                    .filter(|(k, p, _)| *k == key && *p <= position)
                    .map(|(_, _, version)| *version).max().unwrap_or(0);
                let honest = at(as_of) == version;
                match changes.proof(KEYS[key], version, as_of, end) {
                    Proof::Newest if honest => prop_assert_eq!(version, at(end)),
                    Proof::Older => prop_assert!(version < at(end)),
                    _ => {}
                }
            }
        }
    }
}
