//! `player`: the fields of a `PlayerState`.

use super::{choice, declare, field, map, paths, real, whole, with_default};
use crate::Result;
use crate::document::{Declaration, Merge, Validator};

/// Statuses of a player; the first is that of a new one.
pub(crate) const STATUSES: [&str; 7] =
    ["offline", "online", "in_lobby", "in_match", "away", "suspended", "banned"];

/// Absolute bound of a coordinate, in metres.
const COORDINATE_M_MAX: f64 = 10_000_000.0;
/// Faster than any vehicle short of a spacecraft, in metres a second.
const SPEED_M_PER_S_MAX: f64 = 1_000.0;
/// A respawn or a portal moves a player at once, in metres.
const JUMP_M_MAX: f64 = 1_000.0;
/// More than any quest pays, in points a second and at once.
const EXPERIENCE_PER_S_MAX: f64 = 100_000.0;
const EXPERIENCE_BURST: f64 = 1_000_000.0;

pub(super) fn player() -> Result<Declaration> {
    let coordinate = |path, description| {
        let value = real(-COORDINATE_M_MAX, COORDINATE_M_MAX);
        with_default(field(path, value, Merge::LastWriterWins, description), 0)
    };
    let fields = vec![
        choice("status", &STATUSES, Merge::LastWriterWins, "What the player is doing."),
        with_default(field("level", whole(1, Some(1_000)), Merge::Maximum, "Level."), 1),
        with_default(field("experience", whole(0, None), Merge::Counter, "Points so far."), 0),
        with_default(
            field("health", real(0.0, 1_000_000.0), Merge::LastWriterWins, "Points of health."),
            100,
        ),
        coordinate("position.x", "Metres along the map's x axis."),
        coordinate("position.y", "Metres along the map's y axis."),
        coordinate("position.z", "Metres along the map's z axis."),
        map("inventory", None, Merge::Map, "Items and currencies by name."),
        map("statistics", None, Merge::Map, "Counters by name."),
        map("achievements", None, Merge::Map, "Achievements by name."),
    ];
    let validators = vec![
        Validator::PositionSpeed {
            paths: paths(&["position.x", "position.y", "position.z"])?,
            units_per_second_max: SPEED_M_PER_S_MAX,
            tolerance_units: JUMP_M_MAX,
        },
        Validator::RateOfChange {
            path: "experience".parse()?,
            per_second_max: EXPERIENCE_PER_S_MAX,
            burst: EXPERIENCE_BURST,
            increase_only: true,
        },
    ];
    declare("player", "The authoritative state of one player.", false, fields, validators)
}
