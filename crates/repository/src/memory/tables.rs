//! Projections.

use std::collections::BTreeMap;

use crate::{
    AggregateRow, Cursor, Lane, ListPage, LogError, MatchRow, PlayerRow, Position, Projected,
};

#[derive(Default)]
pub(super) struct Tables {
    cursors: BTreeMap<(String, Lane), Position>,
    /// The projection that wrote the rows.
    rows_of: Option<String>,
    aggregates: BTreeMap<(String, String), AggregateRow>,
    players: BTreeMap<String, PlayerRow>,
    matches: BTreeMap<String, MatchRow>,
}

impl Tables {
    pub(super) fn cursor(&self, projection: &str, lane: Lane) -> Cursor {
        let position = self.cursors.get(&(projection.to_owned(), lane)).copied().unwrap_or(0);
        Cursor { projection: projection.to_owned(), lane, position }
    }

    pub(super) fn project(&mut self, projected: Projected) -> Result<(), LogError> {
        let Cursor { projection, lane, position } = projected.to.clone();
        if self.cursor(&projection, lane).position != projected.from {
            return Err(LogError::Fenced);
        }
        if projected.has_rows() {
            self.rows_of = Some(projection.clone());
        }
        self.cursors.insert((projection, lane), position);
        for row in projected.aggregates {
            self.aggregates.insert((row.aggregate_type.clone(), row.id.clone()), row);
        }
        for row in projected.players {
            if row.deleted {
                self.players.remove(&row.player_id);
            } else {
                self.players.insert(row.player_id.clone(), row);
            }
        }
        for row in projected.matches {
            if row.deleted {
                self.matches.remove(&row.match_id);
            } else {
                self.matches.insert(row.match_id.clone(), row);
            }
        }
        Ok(())
    }

    pub(super) fn aggregate(&self, aggregate_type: &str, id: &str) -> Option<AggregateRow> {
        self.aggregates.get(&(aggregate_type.to_owned(), id.to_owned())).cloned()
    }

    pub(super) fn list(&self, aggregate_type: &str, after: Option<&str>, limit: usize) -> ListPage {
        let mut rows: Vec<_> = self
            .aggregates
            .values()
            .filter(|row| row.aggregate_type == aggregate_type && !row.deleted)
            .filter(|row| after.is_none_or(|after| row.id.as_str() > after))
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        let more = rows.len() > limit;
        rows.truncate(limit);
        ListPage { rows, more }
    }

    pub(super) fn player(&self, player_id: &str) -> Option<PlayerRow> {
        self.players.get(player_id).cloned()
    }

    pub(super) fn match_state(&self, match_id: &str) -> Option<MatchRow> {
        self.matches.get(match_id).cloned()
    }

    pub(super) fn reset(&mut self, projection: &str) {
        self.cursors.retain(|(name, _), _| name != projection);
        if self.rows_of.take_if(|owner| owner == projection).is_some() {
            self.aggregates.clear();
            self.players.clear();
            self.matches.clear();
        }
    }
}
