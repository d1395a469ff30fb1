//! Cursors and rows.

mod combat;
mod documents;
mod state;

use std::collections::BTreeMap;

use crate::{Cursor, EntityRow, Lane, LogError, Position, Projected, TableRows, TableSet};

#[derive(Default)]
pub(super) struct Rows {
    cursors: BTreeMap<(String, Lane), Position>,
    pub(super) documents: documents::Documents,
    pub(super) state: state::State,
    pub(super) combat: combat::Combat,
    pub(super) entities: BTreeMap<String, EntityRow>,
}

impl Rows {
    pub(super) fn cursor(&self, projection: &str, lane: Lane) -> Cursor {
        let position = self.cursors.get(&(projection.to_owned(), lane)).copied().unwrap_or(0);
        Cursor { projection: projection.to_owned(), lane, position }
    }

    pub(super) fn advance(&mut self, from: Position, to: Cursor) -> Result<(), LogError> {
        if self.cursor(&to.projection, to.lane).position != from {
            return Err(LogError::Fenced);
        }
        self.cursors.insert((to.projection, to.lane), to.position);
        Ok(())
    }

    pub(super) fn write(&mut self, projected: Projected) -> Result<(), LogError> {
        self.advance(projected.from, projected.to)?;
        for rows in projected.rows {
            match rows {
                TableRows::Documents(rows) => self.documents.write(rows),
                TableRows::State(rows) => self.state.write(rows),
                TableRows::Combat(rows) => self.combat.write(rows),
                TableRows::Entities(rows) => self.write_entities(rows),
            }
        }
        Ok(())
    }

    fn write_entities(&mut self, rows: Vec<EntityRow>) {
        for row in rows {
            if self.entities.get(&row.id).is_some_and(|old| old.version >= row.version) {
                continue;
            }
            match row.deleted {
                true => drop(self.entities.remove(&row.id)),
                false => drop(self.entities.insert(row.id.clone(), row)),
            }
        }
    }

    pub(super) fn reset(&mut self, projection: &str) {
        self.cursors.retain(|(name, _), _| name != projection);
    }

    pub(super) fn clear(&mut self, projection: &str, tables: &[TableSet]) {
        self.reset(projection);
        for tables in tables {
            match tables {
                TableSet::Documents => self.documents = documents::Documents::default(),
                TableSet::State => self.state = state::State::default(),
                TableSet::Combat => self.combat = combat::Combat::default(),
            }
        }
    }
}
