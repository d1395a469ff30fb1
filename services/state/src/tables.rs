//! The tables of the service: players and matches beside the documents.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_documents::{Rows, Tables};
use gamemesh_domain::document::{Aggregate, Value, parse_timestamp};
use gamemesh_repository::{
    LogError, MatchRow, PlayerRow, Projected, StateRows, StreamName, TableRows, TableWriter,
};

use crate::convert::json;

/// Writes the rows of documents, players and matches together.
pub(crate) struct StateTables(pub(crate) Arc<dyn TableWriter>);

#[async_trait]
impl Tables for StateTables {
    async fn write(&self, rows: Rows<'_>) -> Result<(), LogError> {
        let Rows { from, to, documents, changed } = rows;
        let mut state = StateRows::default();
        for (stream, aggregate) in changed {
            match stream.category() {
                "player" => state.players.push(player(stream, aggregate)),
                "match" => state.matches.push(match_state(stream, aggregate)),
                _ => {}
            }
        }
        let rows = vec![TableRows::Documents(documents), TableRows::State(state)];
        self.0.write(Projected { from, to, rows }).await
    }
}

fn player(stream: &StreamName, aggregate: &Aggregate) -> PlayerRow {
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

fn match_state(stream: &StreamName, aggregate: &Aggregate) -> MatchRow {
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
