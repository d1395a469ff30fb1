//! How a shard holds a match: folded and ready to count, or at rest.

use gamemesh_domain::stats::{Match, Resting};

pub(super) enum Held {
    Awake(Box<Match>),
    Resting(Resting),
}

impl Held {
    pub(super) fn new(counted: Match) -> Self {
        Self::Awake(Box::new(counted))
    }

    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Awake(counted) => counted.version(),
            Self::Resting(resting) => resting.version(),
        }
    }

    /// Room in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Awake(counted) => counted.bytes(),
            Self::Resting(resting) => resting.bytes(),
        }
    }

    pub(super) fn awake(&mut self) -> &mut Match {
        if let Self::Resting(resting) = self {
            *self = Self::new(resting.wake());
        }
        match self {
            Self::Awake(counted) => counted,
            Self::Resting(_) => unreachable!("it was woken just now"),
        }
    }

    /// Answers whether it was awake before.
    pub(super) fn rest(&mut self) -> bool {
        let Self::Awake(counted) = self else { return false };
        *self = Self::Resting(counted.rest());
        true
    }
}
