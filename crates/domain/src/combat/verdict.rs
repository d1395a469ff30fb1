//! Verdicts: what was judged, how, and by which numbers.

use super::content::Part;
use super::fixed::Vec3;
use super::ids::{ActionNo, PlayerNo, TeamNo, Tick};
use super::wire::{wire_enum, wire_struct};
use crate::{Code, Error};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $tag:literal $variant:ident = $name:literal $kind:ident,)+) => {
        /// Every way in which a command can be judged. The names are stable: clients match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The stable number, as in the canonical form.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $tag,)+ }
            }

            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$variant => Outcome::$kind,)+ }
            }
        }

        wire_enum!(Reason { $($tag => $variant),+ });
    };
}

/// What a reason means for the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It happened.
    Accepted,
    /// Nothing happened, and nothing is wrong: the client need not do anything.
    Ignored,
    /// Nothing happened, because the rules forbid it.
    Refused,
    /// The position was refused: the client must go back and echo the correction.
    Corrected,
}

reasons! {
    /// It was accepted as it came.
    0 Accepted = "ACCEPTED" Accepted,
    /// The shot hit a player.
    1 Hit = "HIT" Accepted,
    /// The shot was fired and hit nobody.
    2 Miss = "MISS" Accepted,
    /// The shot was fired and would have hit, but a wall stopped it.
    3 Blocked = "BLOCKED" Accepted,
    /// The shot was fired and would have hit further away than it reaches.
    4 OutOfRange = "OUT_OF_RANGE" Accepted,
    /// The shot was fired and met somebody whom it cannot harm: a team mate, or one who is protected.
    5 TargetImmune = "TARGET_IMMUNE" Accepted,
    /// The shot was fired; what it shot flies.
    6 Launched = "LAUNCHED" Accepted,
    /// It had been done before; nothing changed.
    7 AlreadyDone = "ALREADY_DONE" Ignored,
    /// The number was used before: the evidence is that of the first answer.
    8 Duplicate = "DUPLICATE" Ignored,
    /// M7: it is older than the newest that is known, or came too late.
    9 Stale = "STALE" Ignored,
    /// The player has not yet echoed his last correction.
    10 AwaitingCorrection = "AWAITING_CORRECTION" Ignored,
    /// The session's present state does not allow it.
    11 WrongStatus = "WRONG_STATUS" Refused,
    /// The session has no seat left.
    12 SessionFull = "SESSION_FULL" Refused,
    /// The team does not exist in this mode, or is full.
    13 NoSuchTeam = "NO_SUCH_TEAM" Refused,
    /// Nobody in the session has this number.
    14 UnknownPlayer = "UNKNOWN_PLAYER" Refused,
    /// The player has left, or only watches.
    15 NotPlaying = "NOT_PLAYING" Refused,
    /// The player is dead.
    16 Dead = "DEAD" Refused,
    /// The player is alive already, or may not live again yet.
    17 CannotRespawn = "CANNOT_RESPAWN" Refused,
    /// A number, name or position is not one that can be.
    18 Malformed = "MALFORMED" Refused,
    /// M1: the client's clock has run ahead of ours.
    19 Time = "TIME" Corrected,
    /// M2: the way is longer than the time allows.
    20 Speed = "SPEED" Corrected,
    /// M3: higher or deeper than a jump or a fall leads.
    21 Vertical = "VERTICAL" Corrected,
    /// M5: a jump from one place to another.
    22 Teleport = "TELEPORT" Corrected,
    /// M6: outside the bounds of the map.
    23 OutOfBounds = "OUT_OF_BOUNDS" Corrected,
    /// M6: the way leads through a wall.
    24 Geometry = "GEOMETRY" Corrected,
    /// The player is stunned.
    25 Stunned = "STUNNED" Refused,
    /// The slot holds no weapon, or not the one in the hands.
    26 NotEquipped = "NOT_EQUIPPED" Refused,
    /// The weapon is being taken into the hands.
    27 Equipping = "EQUIPPING" Refused,
    /// The weapon is being reloaded.
    28 Reloading = "RELOADING" Refused,
    /// The magazine is empty.
    29 MagazineEmpty = "MAGAZINE_EMPTY" Refused,
    /// The magazine is full, or there is no reserve to fill it from.
    30 NothingToReload = "NOTHING_TO_RELOAD" Refused,
    /// D3: sooner after the last shot than the weapon fires.
    31 Rate = "RATE" Refused,
    /// D1: the number is too far from the last one.
    32 Sequence = "SEQUENCE" Refused,
    /// D4: the client claims to have seen what had not been sent to him.
    33 ViewTime = "VIEW_TIME" Refused,
    /// D5: the muzzle is not where the shooter is.
    34 Origin = "ORIGIN" Refused,
    /// D6: the shot points elsewhere than the shooter looks.
    35 Aim = "AIM" Refused,
    /// The action does not exist or is not in the loadout.
    36 UnknownAction = "UNKNOWN_ACTION" Refused,
    /// The action is on cooldown; the evidence says until when.
    37 Cooldown = "COOLDOWN" Refused,
    /// Not enough energy; the evidence says when there will be.
    38 Energy = "ENERGY" Refused,
    /// The action would take more health than there is.
    39 Health = "HEALTH" Refused,
    /// Another action is being cast; the evidence says until when.
    40 Casting = "CASTING" Refused,
    /// The target does not exist, is dead, or is not one for this action.
    41 BadTarget = "BAD_TARGET" Refused,
    /// The target is too far away.
    42 TargetTooFar = "TARGET_TOO_FAR" Refused,
    /// A wall lies between the player and the target.
    43 NoLine = "NO_LINE" Refused,
    /// M1, for a shot: the client's clock has run ahead of ours.
    44 ShotTime = "SHOT_TIME" Refused,
    /// As many projectiles fly as a session can have.
    45 TooManyProjectiles = "TOO_MANY_PROJECTILES" Refused,
    /// The session cannot be watched.
    46 SpectatorsRefused = "SPECTATORS_REFUSED" Refused,
}

impl Reason {
    /// Whether the command had its effect.
    pub const fn is_accepted(self) -> bool {
        matches!(self.outcome(), Outcome::Accepted)
    }
}

/// A judgement and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub reason: Reason,
    pub evidence: Evidence,
}

wire_struct!(Verdict { reason, evidence });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The reason says it all.
    #[default]
    None,
    /// The session's present state.
    Status(Status),
    /// Who the player is now.
    Seat(SeatEvidence),
    Move(MoveEvidence),
    Shot(ShotEvidence),
    Action(ActionEvidence),
    /// When it will be possible.
    Ready(Tick),
}

wire_enum!(Evidence {
    0 => None,
    1 => Status(status),
    2 => Seat(seat),
    3 => Move(evidence),
    4 => Shot(evidence),
    5 => Action(evidence),
    6 => Ready(tick),
});

/// Where a session is in its life: waiting → active ⇄ paused → ended, and aborted from any but ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Status {
    #[default]
    Waiting,
    Active,
    Paused,
    Ended,
    Aborted,
}

wire_enum!(Status { 0 => Waiting, 1 => Active, 2 => Paused, 3 => Ended, 4 => Aborted });

impl Status {
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Active, Self::Paused, Self::Ended, Self::Aborted];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Aborted => "aborted",
        }
    }

    /// Nothing can happen any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Aborted)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeatEvidence {
    pub player: PlayerNo,
    pub seat: u8,
    pub team: TeamNo,
}

wire_struct!(SeatEvidence { player, seat, team });

/// The numbers behind M1 to M7. Times in microseconds, lengths in quanta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoveEvidence {
    pub from: Vec3,
    pub to: Vec3,
    pub client_us: u64,
    /// Client time since the last accepted report, as far as it counts.
    pub client_delta_us: i64,
    /// Arrival time since the last report that was looked at.
    pub arrival_delta_us: i64,
    /// How much later it came than the quickest of the last minute.
    pub late_us: i64,
    /// M1: by how much the client's clock is ahead, and by how much it may be.
    pub ahead_us: i64,
    pub ahead_max_us: i64,
    /// M2: the way over the ground, and what it may be with and without the burst.
    pub distance_q: i64,
    pub distance_max_q: i64,
    pub burst_left_q: i64,
    pub speed_max_q_per_s: u32,
    /// M3: height above where the feet left the ground, and what it may be.
    pub rise_q: i32,
    pub rise_max_q: i32,
    /// M4: acceleration, quanta/s².
    pub acceleration_q_per_s2: i64,
    /// M6: where the way meets a wall.
    pub wall: Option<Vec3>,
    /// What it adds to the suspicion, thousandths.
    pub suspicion_milli: u32,
    /// The correction to echo; 0 for none.
    pub correction: u32,
}

wire_struct!(MoveEvidence {
    from,
    to,
    client_us,
    client_delta_us,
    arrival_delta_us,
    late_us,
    ahead_us,
    ahead_max_us,
    distance_q,
    distance_max_q,
    burst_left_q,
    speed_max_q_per_s,
    rise_q,
    rise_max_q,
    acceleration_q_per_s2,
    wall,
    suspicion_milli,
    correction,
});

/// The numbers behind D1 to D10. View times in 1/256 of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShotEvidence {
    pub seq: u32,
    /// D1: the first answer to this number, if it is a repetition.
    pub first: Option<Reason>,
    /// When it was judged.
    pub tick: Tick,
    /// D3: the client's clock at the shot, and from when on it may be.
    pub client_us: u64,
    pub ready_us: u64,
    /// D4: what was claimed, what is admissible, what was used.
    pub view_claimed_q8: u64,
    pub view_min_q8: u64,
    pub view_max_q8: u64,
    pub view_q8: u64,
    /// D5: from the eye to the muzzle.
    pub origin_distance_q: i64,
    pub origin_max_q: i64,
    /// D6: the angle that is allowed.
    pub aim_max: u32,
    pub rounds_left: u16,
    /// D7: the first player hit, where he was for the shooter, where he is, and by how much his volumes
    /// were widened.
    pub target: Option<PlayerNo>,
    pub target_then: Vec3,
    pub target_now: Vec3,
    pub tolerance_q: i32,
    pub part: Part,
    /// D9: from the muzzle to the hit, and how far the weapon reaches.
    pub distance_q: i64,
    pub range_q: i64,
    /// D8: from the muzzle to the first wall in the way.
    pub wall_q: Option<i64>,
    /// Rays that hit, of all players, and the damage that they did.
    pub hits: u8,
    pub damage: u32,
    pub killed: bool,
}

wire_struct!(ShotEvidence {
    seq,
    first,
    tick,
    client_us,
    ready_us,
    view_claimed_q8,
    view_min_q8,
    view_max_q8,
    view_q8,
    origin_distance_q,
    origin_max_q,
    aim_max,
    rounds_left,
    target,
    target_then,
    target_now,
    tolerance_q,
    part,
    distance_q,
    range_q,
    wall_q,
    hits,
    damage,
    killed,
});

/// The numbers behind an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionEvidence {
    pub seq: u32,
    /// The first answer to this number, if it is a repetition.
    pub first: Option<Reason>,
    pub tick: Tick,
    pub action: ActionNo,
    pub target: Option<PlayerNo>,
    /// When it will be possible again, or be done.
    pub ready_at: Tick,
    pub charges_left: u8,
    pub energy: u32,
    pub energy_needed: u32,
    pub distance_q: i64,
    pub distance_max_q: i64,
}

wire_struct!(ActionEvidence {
    seq,
    first,
    tick,
    action,
    target,
    ready_at,
    charges_left,
    energy,
    energy_needed,
    distance_q,
    distance_max_q,
});

impl Verdict {
    pub const fn of(reason: Reason) -> Self {
        Self { reason, evidence: Evidence::None }
    }

    pub const fn with(reason: Reason, evidence: Evidence) -> Self {
        Self { reason, evidence }
    }
}

impl Verdict {
    /// The error for a caller who waits for an answer, and who did not get what he wanted.
    pub fn error(&self) -> Option<Error> {
        if matches!(self.reason.outcome(), Outcome::Accepted | Outcome::Ignored) {
            return None;
        }
        let code = match self.reason {
            Reason::UnknownPlayer => Code::NotFound,
            Reason::Malformed => Code::InvalidArgument,
            _ => Code::OperationRefused,
        };
        let mut error = Error::new(code, self.message()).with_fact("verdict", self.reason.name());
        match &self.evidence {
            Evidence::Status(status) => error = error.with_fact("status", status.name()),
            Evidence::Ready(tick) => error = error.with_fact("readyAtTick", tick),
            Evidence::Action(evidence) if evidence.ready_at > evidence.tick => {
                error = error.with_fact("readyAtTick", evidence.ready_at);
            }
            _ => {}
        }
        Some(error)
    }

    fn message(&self) -> String {
        match &self.evidence {
            Evidence::Status(status) => format!("the session is {}", status.name()),
            Evidence::Ready(tick) => format!("{}: possible at tick {tick}", self.reason.name()),
            Evidence::Action(evidence) if evidence.ready_at > evidence.tick => {
                format!("{}: ready at tick {}", self.reason.name(), evidence.ready_at)
            }
            _ => format!("the rules refuse it: {}", self.reason.name()),
        }
    }
}
