//! What a match keeps of an event: enough to fold it again, in 64 bytes.

use super::{EventId, Kind};

/// A name that was not said.
pub(super) const NOBODY: u16 = u16::MAX;

/// Health that was not said.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// An event, with names replaced by their numbers in the match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact {
    pub time_us: i64,
    pub id: EventId,
    /// How many events the match had counted with this one: the version that it made.
    pub version: u32,
    /// Number of the player, or [`NOBODY`].
    pub actor: u16,
    pub what: What,
}

/// Players and names are numbers; `team`, `winner`, `weapon` and the like may be [`NOBODY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    MatchStart {
        map: u16,
        mode: u16,
    },
    /// The details are kept beside, by the id.
    MatchEnd,
    PlayerJoin {
        team: u16,
    },
    PlayerLeave,
    Kill {
        victim: u16,
        weapon: u16,
        headshot: bool,
    },
    Death {
        killer: u16,
        weapon: u16,
    },
    Assist {
        victim: u16,
    },
    Damage {
        target: u16,
        weapon: u16,
        headshot: bool,
        has_shot: bool,
        milli: u32,
        health: u32,
        shot: u64,
    },
    Position {
        mm: [i32; 3],
    },
    ItemUse {
        item: u16,
        quantity: u32,
        shots: u32,
    },
    RoundStart {
        round: u32,
    },
    RoundEnd {
        round: u32,
        winner: u16,
    },
    Spawn,
    Objective {
        name: u16,
        points: u32,
    },
}

/// The order of facts: by the time at which they happened, at one time by what they are, then by id.
/// It depends on nothing but the events.
pub(super) type Key = (i64, u8, EventId);

impl Fact {
    pub(super) fn key(&self) -> Key {
        (self.time_us, self.what.rank(), self.id)
    }
}

impl What {
    /// A round is everything after its start, up to and including its end: ends come after what
    /// happens at their time, and starts after ends.
    fn rank(&self) -> u8 {
        match self {
            Self::MatchStart { .. } => 0,
            Self::PlayerJoin { .. } | Self::Spawn => 1,
            Self::Position { .. } | Self::ItemUse { .. } => 2,
            Self::Damage { .. } => 3,
            Self::Kill { .. } => 4,
            Self::Death { .. } => 5,
            Self::Assist { .. } | Self::Objective { .. } => 6,
            Self::PlayerLeave => 7,
            Self::RoundEnd { .. } => 8,
            Self::RoundStart { .. } => 9,
            Self::MatchEnd => 10,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::MatchStart { .. } => Kind::MatchStart,
            Self::MatchEnd => Kind::MatchEnd,
            Self::PlayerJoin { .. } => Kind::PlayerJoin,
            Self::PlayerLeave => Kind::PlayerLeave,
            Self::Kill { .. } => Kind::Kill,
            Self::Death { .. } => Kind::Death,
            Self::Assist { .. } => Kind::Assist,
            Self::Damage { .. } => Kind::Damage,
            Self::Position { .. } => Kind::Position,
            Self::ItemUse { .. } => Kind::ItemUse,
            Self::RoundStart { .. }
            | Self::RoundEnd { .. }
            | Self::Spawn
            | Self::Objective { .. } => Kind::Objective,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_small() {
        assert!(size_of::<Fact>() <= 64, "{}", size_of::<Fact>());
    }
}
