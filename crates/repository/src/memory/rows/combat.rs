//! [`CombatTables`].

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::super::MemoryStore;
use crate::{
    CombatEventRow, CombatPlayerRow, CombatQuery, CombatRows, CombatSessionRow, CombatTables,
    LogError,
};

#[derive(Default)]
pub(crate) struct Combat {
    sessions: BTreeMap<String, CombatSessionRow>,
    events: BTreeMap<(String, u64), CombatEventRow>,
    players: BTreeMap<(String, String), CombatPlayerRow>,
}

impl Combat {
    pub(super) fn write(&mut self, rows: CombatRows) {
        for row in rows.sessions {
            let known = self.sessions.get(&row.session_id);
            if known.is_none_or(|known| known.revision <= row.revision) {
                self.sessions.insert(row.session_id.clone(), row);
            }
        }
        for row in rows.events {
            self.events.entry((row.session_id.clone(), row.number)).or_insert(row);
        }
        for row in rows.players {
            self.players.insert((row.player_id.clone(), row.session_id.clone()), row);
        }
    }

    fn matches(&self, query: &CombatQuery, row: &CombatSessionRow) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|w| w == has);
        let plays =
            |player: &String| self.players.contains_key(&(player.clone(), row.session_id.clone()));
        is(&query.status, &row.status)
            && is(&query.map_id, &row.map_id)
            && is(&query.game_mode, &row.game_mode)
            && query.player_id.as_ref().is_none_or(plays)
            && query.after.as_ref().is_none_or(|(created_us, id)| {
                (row.created_us, &row.session_id) < (*created_us, id)
            })
    }
}

#[async_trait]
impl CombatTables for MemoryStore {
    async fn sessions(&self, query: &CombatQuery) -> Result<Vec<CombatSessionRow>, LogError> {
        let state = self.state.lock();
        let combat = &state.rows.combat;
        let mut rows: Vec<_> =
            combat.sessions.values().filter(|row| combat.matches(query, row)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_us, &row.session_id)));
        Ok(rows.into_iter().take(query.limit).cloned().collect())
    }

    async fn combat_events(
        &self,
        session_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatEventRow>, LogError> {
        let state = self.state.lock();
        let events = state.rows.combat.events.values();
        let mut rows: Vec<_> = events.filter(|row| row.session_id == session_id).collect();
        rows.sort_by_key(|row| (row.time_us, row.number));
        Ok(rows.into_iter().take(limit).cloned().collect())
    }

    async fn player_sessions(
        &self,
        player_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatPlayerRow>, LogError> {
        let state = self.state.lock();
        let players = state.rows.combat.players.values();
        let mut rows: Vec<_> = players.filter(|row| row.player_id == player_id).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.updated_us, &row.session_id)));
        Ok(rows.into_iter().take(limit).cloned().collect())
    }
}
