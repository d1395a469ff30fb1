//! `match`: the fields of a `MatchState`.

use super::{choice, declare, field, map, timestamp, with_default};
use crate::Result;
use crate::document::{Declaration, Merge, Validator, ValueSchema};

/// Phases of a match; the first is that of a new one.
pub(crate) const PHASES: [&str; 6] =
    ["lobby", "starting", "active", "paused", "ended", "cancelled"];

/// What a match keeps of its own events, the last ones.
const EVENTS_MAX: u32 = 1_000;

/// `ended` and `cancelled` are final.
const STEPS: [(&str, &str); 12] = [
    ("lobby", "starting"),
    ("lobby", "active"),
    ("lobby", "cancelled"),
    ("starting", "lobby"),
    ("starting", "active"),
    ("starting", "cancelled"),
    ("active", "paused"),
    ("active", "ended"),
    ("active", "cancelled"),
    ("paused", "active"),
    ("paused", "ended"),
    ("paused", "cancelled"),
];

pub(super) fn match_type() -> Result<Declaration> {
    let events = ValueSchema::List { of: None, length_max: Some(EVENTS_MAX) };
    let fields = vec![
        choice("phase", &PHASES, Merge::HomeOnly, "How far the match is."),
        map(
            "players",
            None,
            Merge::Map,
            "The players by id, each with what the game keeps of him.",
        ),
        with_default(
            field("events", events, Merge::HomeOnly, "What happened, oldest first."),
            Vec::new(),
        ),
        map("statistics", None, Merge::Map, "Numbers of the match by name."),
        timestamp("started_at", "When play began."),
        timestamp("ended_at", "When play ended."),
    ];
    let allowed = STEPS.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let validators = vec![Validator::Transition { path: "phase".parse()?, allowed }];
    declare("match", "The authoritative state of one match.", false, fields, validators)
}
