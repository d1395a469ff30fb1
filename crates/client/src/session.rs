//! What a client remembers of its own writes, so that it reads them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::token;

/// Written aggregates whose tokens are kept; the oldest are forgotten.
const TOKENS_MAX: usize = 65_536;

/// Lanes whose tokens are kept, as many as a server takes of them; writes to others are not remembered
/// for reads of several aggregates.
const LANES_MAX: usize = 64;

/// An aggregate, by type and id.
pub(crate) type Key = (String, String);

/// The tokens of this client's writes.
#[derive(Debug, Default)]
pub(crate) struct Session(Mutex<Tokens>);

#[derive(Debug, Default)]
struct Tokens {
    by_key: HashMap<Key, Newest>,
    /// In the order of the first write.
    order: VecDeque<Key>,
    all: All,
}

/// Writes that are under way side by side are answered in any order, and one that is repeated under its
/// key is answered as it was: the version says which is the newest. It never starts again, not even when
/// an aggregate is deleted and created.
#[derive(Debug)]
struct Newest {
    version: i64,
    token: Arc<str>,
}

/// Tokens that together cover all writes.
#[derive(Debug, Default)]
struct All {
    store: [u8; 8],
    /// For each lane the highest position that any of the tokens names.
    by_lane: BTreeMap<u16, (u64, Arc<str>)>,
    /// The last one that says nothing of lanes, as long as no other does.
    unread: Option<Arc<str>>,
}

impl Session {
    /// The token of the newest write to one aggregate; empty if there was none.
    pub(crate) fn token(&self, key: &Key) -> String {
        let tokens = self.0.lock();
        tokens.by_key.get(key).map(|newest| newest.token.to_string()).unwrap_or_default()
    }

    /// The tokens, with commas between them, that cover the writes to all aggregates; empty if there were
    /// none.
    pub(crate) fn all(&self) -> String {
        self.0.lock().all.joined()
    }

    pub(crate) fn wrote(&self, key: Key, version: i64, token: &str) {
        if token.is_empty() {
            return;
        }
        let token: Arc<str> = token.into();
        let mut tokens = self.0.lock();
        tokens.all.add(&token);
        if let Some(newest) = tokens.by_key.get_mut(&key) {
            if version > newest.version {
                *newest = Newest { version, token };
            }
            return;
        }
        tokens.by_key.insert(key.clone(), Newest { version, token });
        tokens.order.push_back(key);
        if tokens.order.len() > TOKENS_MAX
            && let Some(oldest) = tokens.order.pop_front()
        {
            tokens.by_key.remove(&oldest);
        }
    }

    /// The store is another one, or an older copy of it: versions and positions begin anew.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Tokens::default();
    }
}

impl All {
    fn add(&mut self, token: &Arc<str>) {
        let Some(named) = token::read(token) else {
            self.unread = Some(token.clone());
            return;
        };
        if named.store != self.store {
            *self = Self { store: named.store, ..Self::default() };
        }
        self.unread = None;
        for (lane, position) in named.cut {
            let known = self.by_lane.get(&lane).map(|(position, _)| *position);
            let is_new = known.map_or(self.by_lane.len() < LANES_MAX, |known| position > known);
            if is_new {
                self.by_lane.insert(lane, (position, token.clone()));
            }
        }
    }

    fn joined(&self) -> String {
        let mut tokens: Vec<&str> = self.by_lane.values().map(|(_, token)| &**token).collect();
        tokens.extend(self.unread.as_deref());
        // A transaction's stands for several lanes.
        tokens.sort_unstable();
        tokens.dedup();
        tokens.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::made;

    fn key(id: usize) -> Key {
        ("player".into(), id.to_string())
    }

    #[test]
    fn the_token_of_the_highest_version_is_kept() {
        // What was answered, in this order, and whose token is kept.
        let cases: [(&[(i64, &str)], &str); 6] = [
            (&[(1, "a"), (2, "b")], "b"),
            // The answer to the earlier of two writes comes later.
            (&[(2, "b"), (1, "a")], "b"),
            (&[(1, "a"), (3, "c"), (2, "b")], "c"),
            // Repeated under its key.
            (&[(1, "a"), (2, "b"), (1, "again")], "b"),
            // Deleted as version 3 and created again: the versions go on.
            (&[(2, "b"), (4, "created"), (3, "deleted")], "created"),
            // Refused: nothing was written.
            (&[(1, "a"), (0, "")], "a"),
        ];
        for (answers, kept) in cases {
            let session = Session::default();
            for (version, token) in answers {
                session.wrote(key(1), *version, token);
            }
            assert_eq!(session.token(&key(1)), kept, "{answers:?}");
            assert_eq!(session.token(&key(2)), "");
        }
    }

    #[test]
    fn all_writes_are_covered_whatever_the_order_of_their_answers() {
        let [a, b] = [made(1, &[(0, 5)]), made(1, &[(0, 9)])];
        let [other, both] = [made(1, &[(3, 2)]), made(1, &[(0, 12), (3, 4)])];
        let foreign = made(2, &[(1, 1)]);
        let cases: [(&[&str], &[&str]); 8] = [
            (&[], &[]),
            (&[&a, &b], &[&b]),
            (&[&b, &a], &[&b]),
            (&[&b, &other, &a], &[&b, &other]),
            (&[&other, &both, &a], &[&both]),
            // Another store has begun anew.
            (&[&both, &foreign], &[&foreign]),
            // Of a format that is not known here.
            (&[&a, "x", "y"], &[&a, "y"]),
            (&["x", &a], &[&a]),
        ];
        for (answers, covering) in cases {
            let session = Session::default();
            for (id, token) in answers.iter().enumerate() {
                session.wrote(key(id), 1, token);
            }
            let mut covering = covering.to_vec();
            covering.sort_unstable();
            assert_eq!(session.all(), covering.join(","), "{answers:?}");
        }
    }

    #[test]
    fn a_store_that_begins_anew_is_followed() {
        let session = Session::default();
        session.wrote(key(1), 7, &made(1, &[(0, 70)]));
        session.forget();
        assert_eq!((session.token(&key(1)), session.all()), (String::new(), String::new()));
        let token = made(1, &[(0, 20)]);
        session.wrote(key(1), 2, &token);
        assert_eq!((session.token(&key(1)), session.all()), (token.clone(), token));
    }

    #[test]
    fn memory_is_bounded() {
        let session = Session::default();
        for id in 0..=TOKENS_MAX {
            session.wrote(key(id), 1, &made(1, &[(id as u16, 1)]));
        }
        assert_eq!(session.token(&key(0)), "");
        assert_ne!(session.token(&key(TOKENS_MAX)), "");
        let tokens = session.0.lock();
        assert_eq!((tokens.by_key.len(), tokens.all.by_lane.len()), (TOKENS_MAX, LANES_MAX));
    }
}
