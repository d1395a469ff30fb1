//! A match at rest: nothing comes for it, so it takes no more room than its bytes.

use super::Match;
use super::codec::{Reader, Writer};
use super::fold::Rules;

/// A match as its bytes, with what these do not say. It is the same match again as soon as somebody
/// wants to know or tell something of it.
#[derive(Debug)]
pub struct Resting {
    bytes: Box<[u8]>,
    rules: Rules,
    version: u64,
    refolds: u64,
    horizon_us: i64,
}

impl Match {
    pub fn rest(&mut self) -> Resting {
        let mut out = Writer::default();
        self.put(&mut out);
        Resting {
            bytes: out.0.into_boxed_slice(),
            rules: self.rules,
            version: self.version(),
            refolds: self.refolds,
            horizon_us: self.horizon_us,
        }
    }
}

impl Resting {
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Room in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    pub fn wake(&self) -> Match {
        let mut awake = Match::take(&mut Reader(&self.bytes), self.rules)
            .expect("a match that was packed here can be unpacked");
        awake.refolds = self.refolds;
        awake.horizon_us = self.horizon_us;
        // Folded as far as it was before, so that what comes late is told to be late.
        awake.settle();
        awake
    }
}
