//! Names in Redis. A store's names carry its incarnation, so that another one on the same server never
//! sees what is not its own.

use std::fmt::Write as _;

use crc16::{State, XMODEM};

/// Into so many slots a cluster divides all names.
const SLOTS: u16 = 16_384;

#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// In hexadecimal.
    store: String,
}

impl Keys {
    pub(crate) fn new(store: [u8; 16]) -> Self {
        let store = store.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { store }
    }

    /// The braces bind a key and its claim to one slot of a cluster, whatever the key holds: the slot
    /// is that of what is between the first `{` and the first `}` after it, which is never empty.
    pub(crate) fn value(&self, key: &str) -> String {
        format!("gamemesh:{{{}/{key}}}", self.store)
    }

    pub(crate) fn claim(&self, key: &str) -> String {
        format!("gamemesh:{{{}/{key}}}:claim", self.store)
    }

    pub(crate) fn channel(&self) -> String {
        format!("gamemesh:{{{}}}:news", self.store)
    }

    /// The slot of the channel, were it a key: that of what its braces hold.
    pub(crate) fn channel_slot(&self) -> u16 {
        State::<XMODEM>::calculate(self.store.as_bytes()) % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let keys = Keys::new([0xa0; 16]);
        let store = "a0".repeat(16);
        assert_eq!(keys.value("player/42"), format!("gamemesh:{{{store}/player/42}}"));
        assert_eq!(keys.claim("player/42"), format!("gamemesh:{{{store}/player/42}}:claim"));
        assert_eq!(keys.channel(), format!("gamemesh:{{{store}}}:news"));
        // As `CLUSTER KEYSLOT` of Redis 7.0 says.
        assert_eq!(keys.channel_slot(), 3_424);
        // No value's name is the name of a claim.
        assert_ne!(keys.value("a}:claim"), keys.claim("a"));
    }
}
