//! What a client remembers of its own writes, so that it reads them.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

/// Written aggregates whose tokens are kept; the oldest are forgotten.
const TOKENS_MAX: usize = 65_536;

/// An aggregate, by type and id.
pub(crate) type Key = (String, String);

/// The tokens of this client's writes.
#[derive(Debug, Default)]
pub(crate) struct Session(Mutex<Tokens>);

#[derive(Debug, Default)]
struct Tokens {
    by_key: HashMap<Key, String>,
    /// In the order of the first write.
    order: VecDeque<Key>,
    last: String,
}

impl Session {
    /// The token of the last write to one aggregate; empty if there was none.
    pub(crate) fn token(&self, key: &Key) -> String {
        self.0.lock().by_key.get(key).cloned().unwrap_or_default()
    }

    /// The token of the last write of all.
    pub(crate) fn last_token(&self) -> String {
        self.0.lock().last.clone()
    }

    pub(crate) fn wrote(&self, key: Key, token: &str) {
        if token.is_empty() {
            return;
        }
        let mut tokens = self.0.lock();
        token.clone_into(&mut tokens.last);
        if tokens.by_key.insert(key.clone(), token.to_owned()).is_none() {
            tokens.order.push_back(key);
            if tokens.order.len() > TOKENS_MAX
                && let Some(oldest) = tokens.order.pop_front()
            {
                tokens.by_key.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: usize) -> Key {
        ("player".into(), id.to_string())
    }

    #[test]
    fn the_newest_token_of_each_aggregate_is_kept() {
        let session = Session::default();
        session.wrote(key(1), "a");
        session.wrote(key(2), "b");
        session.wrote(key(1), "c");
        session.wrote(key(2), "");
        assert_eq!(session.token(&key(1)), "c");
        assert_eq!(session.token(&key(2)), "b");
        assert_eq!(session.token(&key(3)), "");
        assert_eq!(session.last_token(), "c");
    }

    #[test]
    fn memory_is_bounded() {
        let session = Session::default();
        for id in 0..=TOKENS_MAX {
            session.wrote(key(id), "t");
        }
        assert_eq!(session.token(&key(0)), "");
        assert_eq!(session.token(&key(TOKENS_MAX)), "t");
        assert_eq!(session.0.lock().by_key.len(), TOKENS_MAX);
    }
}
