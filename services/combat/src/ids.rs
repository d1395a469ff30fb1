//! Names that come from outside, parsed once.

use std::fmt;
use std::sync::Arc;

use gamemesh_domain::{Error, Result};
use gamemesh_repository::StreamName;

const SESSION_ID_BYTES_MAX: usize = 64;
const PLAYER_ID_BYTES_MAX: usize = 256;

/// Category of the streams of sessions.
pub(crate) const CATEGORY: &str = "combat";

/// A session's id: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(Arc<str>);

/// A player's id: 1 to 256 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PlayerId(Arc<str>);

impl SessionId {
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(1..=SESSION_ID_BYTES_MAX).contains(&text.len()) || !text.bytes().all(known) {
            let what = format!("accepts 1 to {SESSION_ID_BYTES_MAX} letters, digits, -, _ and .");
            return Err(Error::invalid(field, what));
        }
        Ok(Self(text.into()))
    }

    /// A new one; in the order of creation.
    pub(crate) fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }

    /// The one that an idempotency key leads to.
    pub(crate) fn of_key(key: &str) -> Self {
        let hash = blake3::derive_key("gamemesh combat session of a key, format 1", key.as_bytes());
        let bytes = hash[..16].try_into().expect("a hash has 32 bytes");
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string().into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream of its blocks.
    pub(crate) fn stream(&self) -> StreamName {
        StreamName::new(CATEGORY, &self.0)
    }

    /// A number that differs between sessions, the same everywhere.
    pub(crate) fn spread(&self) -> u64 {
        let hash = blake3::hash(self.0.as_bytes());
        u64::from_be_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    }
}

impl PlayerId {
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self> {
        if !(1..=PLAYER_ID_BYTES_MAX).contains(&text.len()) || text.chars().any(char::is_control) {
            let what = format!(
                "accepts 1 to {PLAYER_ID_BYTES_MAX} bytes of UTF-8 without control characters"
            );
            return Err(Error::invalid(field, what));
        }
        Ok(Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_at_the_edge() {
        let long = "a".repeat(65);
        for bad in ["", "a/b", "a b", "ä", "a\n", long.as_str()] {
            assert!(SessionId::parse("sessionId", bad).is_err(), "{bad:?}");
        }
        assert!(SessionId::parse("sessionId", "Match-1_a.b").is_ok());
        for bad in ["", "a\0", "a\u{7f}", &"x".repeat(257)] {
            assert!(PlayerId::parse("playerId", bad).is_err(), "{bad:?}");
        }
        assert!(PlayerId::parse("playerId", "Ω 1/2").is_ok());
    }
}
