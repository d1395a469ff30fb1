//! Events of a match as their producers tell them.

mod wire;

use super::codec::{Writer, digest};
use super::{EventId, Name};
use crate::{Error, Result};

/// What numbers events may carry.
pub mod bounds {
    /// 2000-01-01, the first instant that an event may have, in microseconds since the Unix epoch.
    pub const TIME_US_MIN: i64 = 946_684_800_000_000;
    /// 2100-01-01, the first that it may not.
    pub const TIME_US_END: i64 = 4_102_444_800_000_000;
    /// Damage and health of one event, in thousandths.
    pub const POINTS_MILLI_MAX: u32 = 1_000_000_000;
    /// Distance of a coordinate from the origin, in millimetres.
    pub const COORDINATE_MM_MAX: i32 = 2_000_000_000;
    /// Items or shots of one event.
    pub const QUANTITY_MAX: u32 = 1_000_000;
    /// Points for one objective.
    pub const OBJECTIVE_POINTS_MAX: u32 = 1_000_000;
    /// Entries of a final ranking.
    pub const PLACEMENTS_MAX: usize = 1_024;
    /// Free JSON beside the typed data, in bytes.
    pub const EXTRA_BYTES_MAX: usize = 16 << 10;
}

/// Room for what is digested of most events, in bytes.
const DIGESTED_BYTES: usize = 128;

/// Something that happened in a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    /// The text that the id is the hash of, where it is one.
    pub label: Option<Name>,
    pub match_id: Name,
    /// Whose event it is; nobody's for what happens to the match.
    pub player: Option<Name>,
    /// By the producer's clock, microseconds since the Unix epoch.
    pub time_us: i64,
    pub data: Data,
    /// Free JSON of the producer, which nothing is counted from.
    pub extra: Box<[u8]>,
}

/// What happened. Amounts are in thousandths, places in millimetres: sums of integers do not depend on
/// their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    MatchStart {
        map: Option<Name>,
        mode: Option<Name>,
    },
    MatchEnd {
        winner: Option<Name>,
        draw: bool,
        voided: bool,
        placements: Vec<Placement>,
    },
    PlayerJoin {
        team: Option<Name>,
    },
    PlayerLeave,
    Kill {
        victim: Option<Name>,
        weapon: Option<Name>,
        headshot: bool,
    },
    Death {
        killer: Option<Name>,
        weapon: Option<Name>,
    },
    Assist {
        victim: Option<Name>,
    },
    Damage {
        target: Option<Name>,
        weapon: Option<Name>,
        milli: u32,
        headshot: bool,
        /// What the target had before the hit.
        health_milli: Option<u32>,
        /// Names the shot that hit, unique for its player.
        shot: Option<u64>,
    },
    Position {
        mm: [i32; 3],
    },
    ItemUse {
        item: Option<Name>,
        quantity: u32,
        shots: u32,
    },
    Objective {
        name: Name,
        round: u32,
        winner: Option<Name>,
        points: u32,
    },
}

/// One entry of a final ranking: a team, or a player who is on his own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    pub name: Name,
    /// 1 is the best; equal places are a draw.
    pub place: u32,
}

macro_rules! kinds {
    ($($variant:ident = $number:literal, $name:literal, $pattern:pat,)+) => {
        /// The type of an event. The numbers are those of the stored form.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($variant = $number,)+ }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub fn parse(name: &str) -> Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(Error::invalid("eventType", concat!("accepts" $(, " ", $name)+))),
                }
            }

            pub(super) const fn of_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl Data {
            pub const fn kind(&self) -> Kind {
                match self { $($pattern => Kind::$variant,)+ }
            }
        }
    };
}

kinds! {
    MatchStart = 1, "match_start", Self::MatchStart { .. },
    MatchEnd = 2, "match_end", Self::MatchEnd { .. },
    PlayerJoin = 3, "player_join", Self::PlayerJoin { .. },
    PlayerLeave = 4, "player_leave", Self::PlayerLeave,
    Kill = 5, "kill", Self::Kill { .. },
    Death = 6, "death", Self::Death { .. },
    Assist = 7, "assist", Self::Assist { .. },
    Damage = 8, "damage", Self::Damage { .. },
    Position = 9, "position", Self::Position { .. },
    ItemUse = 10, "item_use", Self::ItemUse { .. },
    Objective = 11, "objective", Self::Objective { .. },
}

impl Kind {
    /// Whether such an event has to say whose it is.
    pub const fn has_player(self) -> bool {
        !matches!(self, Self::MatchStart | Self::MatchEnd | Self::Objective)
    }
}

impl Event {
    /// The bounds that the types alone do not keep.
    pub fn check(&self) -> Result<()> {
        if !(bounds::TIME_US_MIN..bounds::TIME_US_END).contains(&self.time_us) {
            return Err(Error::invalid("timestamp", "accepts 2000-01-01 to the end of 2099"));
        }
        if self.extra.len() > bounds::EXTRA_BYTES_MAX {
            return Err(Error::invalid("eventData", "accepts at most 16384 bytes of free JSON"));
        }
        if self.player.is_none() && self.data.kind().has_player() {
            return Err(Error::invalid("playerId", "is required for this type of event"));
        }
        self.data.check()
    }

    /// Equal for a repetition, different for another event under the same id. Free JSON counts for
    /// nothing, and the ways in write it differently: it is left out.
    pub fn digest(&self) -> u64 {
        let mut writer = Writer(Vec::with_capacity(DIGESTED_BYTES));
        self.put_content(&mut writer);
        digest(&writer.0)
    }
}

impl Data {
    fn check(&self) -> Result<()> {
        use bounds::{
            COORDINATE_MM_MAX, OBJECTIVE_POINTS_MAX, PLACEMENTS_MAX, POINTS_MILLI_MAX, QUANTITY_MAX,
        };
        let at_most = |field: &str, value: u32, max: u32| {
            if value <= max {
                Ok(())
            } else {
                Err(Error::invalid(field, format!("accepts 0 to {max}")))
            }
        };
        match self {
            Self::Damage { milli, health_milli, .. } => {
                let largest = (*milli).max(health_milli.unwrap_or_default());
                if largest > POINTS_MILLI_MAX {
                    return Err(Error::invalid("amount", "accepts 0 to 1000000 points"));
                }
                Ok(())
            }
            Self::Position { mm } => {
                if mm.iter().any(|c| c.unsigned_abs() > COORDINATE_MM_MAX.unsigned_abs()) {
                    return Err(Error::invalid("position", "accepts metres within ±2000000"));
                }
                Ok(())
            }
            Self::ItemUse { quantity, shots, .. } => {
                at_most("quantity", *quantity, QUANTITY_MAX)?;
                at_most("shots", *shots, QUANTITY_MAX)
            }
            Self::Objective { points, round, .. } => {
                at_most("round", *round, QUANTITY_MAX)?;
                at_most("points", *points, OBJECTIVE_POINTS_MAX)
            }
            Self::MatchEnd { placements, .. } if placements.len() > PLACEMENTS_MAX => {
                Err(Error::invalid("placements", "accepts at most 1024 entries"))
            }
            _ => Ok(()),
        }
    }

    /// Points or health as thousandths: finite, not negative, rounded to the nearest.
    pub fn milli(field: &str, points: f64) -> Result<u32> {
        if points.is_finite() && (0.0..=1_000_000.0).contains(&points) {
            return Ok((points * 1_000.0 + 0.5).floor() as u32);
        }
        Err(Error::invalid(field, "accepts 0 to 1000000 points"))
    }

    /// Metres as millimetres: finite, rounded to the nearest.
    pub fn mm(field: &str, metres: f64) -> Result<i32> {
        if metres.is_finite() && metres.abs() <= 2_000_000.0 {
            return Ok((metres * 1_000.0 + 0.5).floor() as i32);
        }
        Err(Error::invalid(field, "accepts metres within ±2000000"))
    }
}
