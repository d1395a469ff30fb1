//! `guild` and `world`: what players share.

use super::{declare, field, map, set, text, timestamp, whole, with_default};
use crate::Result;
use crate::document::{Declaration, Merge, Validator, ValueSchema};

pub(super) fn guild() -> Result<Declaration> {
    let fields = vec![
        text("name", 128, "Name that players see."),
        text("leader", 256, "Id of the player who leads it."),
        set("members", Merge::RemoveWinsSet, "Ids of the members; who was expelled stays out."),
        map("ranks", None, Merge::Map, "Rank of each member by id."),
        with_default(field("level", whole(1, Some(1_000)), Merge::Maximum, "Level."), 1),
        map("bank", Some(whole(0, None)), Merge::BoundedCounter, "Amount of each currency."),
        timestamp("founded_at", "When it was founded."),
    ];
    let validators = vec![Validator::Immutable { path: "founded_at".parse()? }];
    declare("guild", "A company of players with a common bank.", true, fields, validators)
}

pub(super) fn world() -> Result<Declaration> {
    let fraction = ValueSchema::Float { min: Some(0.0), max: Some(1.0) };
    let fields = vec![
        with_default(field("time", whole(0, None), Merge::Maximum, "Ticks since it began."), 0),
        text("weather.kind", 64, "Weather, such as `rain`."),
        field("weather.intensity", fraction, Merge::LastWriterWins, "From 0 to 1."),
        map("cells", None, Merge::Map, "What differs from the map as shipped, by cell."),
        map("factions", None, Merge::Map, "Standing of each faction."),
        map("flags", None, Merge::Map, "What has happened in this world."),
    ];
    let validators = vec![Validator::Monotonic { path: "time".parse()? }];
    declare("world", "A world, or a part of one, that players share.", true, fields, validators)
}
