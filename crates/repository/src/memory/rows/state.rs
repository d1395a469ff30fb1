//! [`StateTables`].

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::super::MemoryStore;
use crate::{LogError, MatchRow, PlayerRow, StateRows, StateTables};

#[derive(Default)]
pub(crate) struct State {
    players: BTreeMap<String, PlayerRow>,
    matches: BTreeMap<String, MatchRow>,
}

impl State {
    pub(super) fn write(&mut self, rows: StateRows) {
        for row in rows.players {
            if row.deleted {
                self.players.remove(&row.player_id);
            } else {
                self.players.insert(row.player_id.clone(), row);
            }
        }
        for row in rows.matches {
            if row.deleted {
                self.matches.remove(&row.match_id);
            } else {
                self.matches.insert(row.match_id.clone(), row);
            }
        }
    }
}

#[async_trait]
impl StateTables for MemoryStore {
    async fn player(&self, player_id: &str) -> Result<Option<PlayerRow>, LogError> {
        Ok(self.state.lock().rows.state.players.get(player_id).cloned())
    }

    async fn match_state(&self, match_id: &str) -> Result<Option<MatchRow>, LogError> {
        Ok(self.state.lock().rows.state.matches.get(match_id).cloned())
    }
}
