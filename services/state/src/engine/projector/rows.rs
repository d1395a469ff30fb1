//! Aggregates as rows of the tables.

use gamemesh_domain::state::{Aggregate, Value, parse_timestamp};
use gamemesh_repository::{AggregateRow, MatchRow, PlayerRow, StreamName};

use super::super::{history, stored};
use crate::convert::json;

pub(super) fn aggregate(stream: &StreamName, aggregate: &Aggregate) -> AggregateRow {
    AggregateRow {
        aggregate_type: stream.category().to_owned(),
        id: stream.key().to_owned(),
        version: aggregate.version,
        deleted: !aggregate.exists(),
        created_us: aggregate.created_at_us,
        updated_us: aggregate.updated_at_us,
        reducer: history::REDUCER,
        state: stored::encode_folded(aggregate),
    }
}

pub(super) fn player(stream: &StreamName, aggregate: &Aggregate) -> PlayerRow {
    let state = Fields(&aggregate.state);
    PlayerRow {
        player_id: stream.key().to_owned(),
        deleted: !aggregate.exists(),
        status: state.text("status"),
        level: state.int("level"),
        experience: state.int("experience"),
        health: state.number("health"),
        position: ["x", "y", "z"].map(|axis| state.below("position").number(axis)),
        inventory: state.map("inventory"),
        statistics: state.map("statistics"),
        achievements: state.map("achievements"),
        last_updated_us: aggregate.updated_at_us,
        version: aggregate.version,
    }
}

pub(super) fn match_state(stream: &StreamName, aggregate: &Aggregate) -> MatchRow {
    let state = Fields(&aggregate.state);
    MatchRow {
        match_id: stream.key().to_owned(),
        deleted: !aggregate.exists(),
        phase: state.text("phase"),
        players: state.map("players"),
        events: state.get("events").map_or_else(|| "[]".to_owned(), json::text),
        statistics: state.map("statistics"),
        started_us: state.time("started_at"),
        ended_us: state.time("ended_at"),
        last_updated_us: aggregate.updated_at_us,
        version: aggregate.version,
    }
}

/// The fields of a state, with what a column holds where there is none.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.child(name)
    }

    fn below(&self, name: &str) -> Self {
        Self(self.get(name).unwrap_or(&Value::Null))
    }

    fn text(&self, name: &str) -> String {
        self.get(name).and_then(Value::as_text).unwrap_or_default().to_owned()
    }

    fn int(&self, name: &str) -> i64 {
        self.get(name).and_then(Value::as_int).unwrap_or_default()
    }

    fn number(&self, name: &str) -> f64 {
        self.get(name).and_then(Value::as_f64).unwrap_or_default()
    }

    fn map(&self, name: &str) -> String {
        self.get(name).map_or_else(|| "{}".to_owned(), json::text)
    }

    fn time(&self, name: &str) -> Option<i64> {
        parse_timestamp(self.get(name)?.as_text()?)
    }
}
