//! `combat`: the summary of a combat session.

use super::{choice, declare, field, map, text, timestamp, whole, with_default};
use crate::Result;
use crate::document::{Declaration, Merge, Validator};

pub(super) fn combat() -> Result<Declaration> {
    let statuses = ["waiting", "active", "paused", "ended", "cancelled"];
    let count = |path, description| {
        with_default(field(path, whole(0, None), Merge::Counter, description), 0)
    };
    let steps = [
        ("waiting", "active"),
        ("waiting", "cancelled"),
        ("active", "paused"),
        ("active", "ended"),
        ("active", "cancelled"),
        ("paused", "active"),
        ("paused", "ended"),
        ("paused", "cancelled"),
    ];
    let fields = vec![
        choice("status", &statuses, Merge::HomeOnly, "How far the session is."),
        text("name", 128, "Name that players see."),
        text("map_id", 256, "Map that it is fought on."),
        text("game_mode", 64, "Mode, such as `deathmatch`."),
        map("participants", None, Merge::Map, "Summary of each participant by id."),
        count("damage_total", "Damage dealt so far, in points."),
        count("deaths_total", "Deaths so far."),
        timestamp("started_at", "When it began."),
        timestamp("ended_at", "When it ended."),
    ];
    let allowed = steps.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let validators = vec![
        Validator::Transition { path: "status".parse()?, allowed },
        Validator::Monotonic { path: "damage_total".parse()? },
        Validator::Monotonic { path: "deaths_total".parse()? },
    ];
    declare("combat", "The summary of a combat session.", true, fields, validators)
}
