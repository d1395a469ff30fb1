//! [`StatsTables`] over plain collections.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::MemoryStore;
use crate::{
    FrozenRow, Lane, LogError, MatchStatsRow, MatchSummaryRow, StatsProgress, StatsTables,
    StatsWrite,
};

#[derive(Default)]
pub(super) struct Stats {
    progress: BTreeMap<Lane, StatsProgress>,
    matches: BTreeMap<String, MatchStatsRow>,
    frozen: BTreeMap<String, Vec<FrozenRow>>,
}

#[async_trait]
impl StatsTables for MemoryStore {
    async fn stats_progress(&self, lane: Lane) -> Result<StatsProgress, LogError> {
        Ok(self.state.lock().stats.progress.get(&lane).cloned().unwrap_or_default())
    }

    async fn write_stats(&self, write: StatsWrite) -> Result<(), LogError> {
        let stats = &mut self.state.lock().stats;
        let progress = stats.progress.entry(write.lane).or_default();
        if progress.position != write.from {
            return Err(LogError::Fenced);
        }
        *progress = write.to;
        for mut row in write.matches {
            row.players.sort_by(|a, b| a.player_id.cmp(&b.player_id));
            let known = stats.matches.get(&row.match_id).map_or(0, |known| known.version);
            if row.version > known {
                stats.matches.insert(row.match_id.clone(), row);
            }
        }
        Ok(())
    }

    async fn match_state_bytes(&self, match_id: &str) -> Result<Option<Bytes>, LogError> {
        Ok(self.state.lock().stats.matches.get(match_id).map(|row| row.state.clone()))
    }

    async fn match_stats(&self, match_id: &str) -> Result<Option<MatchStatsRow>, LogError> {
        Ok(self.state.lock().stats.matches.get(match_id).cloned())
    }

    async fn match_summaries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MatchSummaryRow>, LogError> {
        let state = self.state.lock();
        let rows = state.stats.matches.values();
        let rows = rows.filter(|row| after.is_none_or(|after| row.match_id.as_str() > after));
        Ok(rows
            .take(limit)
            .map(|row| MatchSummaryRow {
                match_id: row.match_id.clone(),
                version: row.version,
                summary: row.summary.clone(),
            })
            .collect())
    }

    async fn freeze(&self, window: &str, mut rows: Vec<FrozenRow>) -> Result<(), LogError> {
        rows.sort_by(|a, b| a.player_id.cmp(&b.player_id));
        self.state.lock().stats.frozen.entry(window.to_owned()).or_insert(rows);
        Ok(())
    }

    async fn frozen_windows(&self) -> Result<Vec<String>, LogError> {
        Ok(self.state.lock().stats.frozen.keys().cloned().collect())
    }

    async fn frozen_window(&self, window: &str) -> Result<Option<Vec<FrozenRow>>, LogError> {
        Ok(self.state.lock().stats.frozen.get(window).cloned())
    }

    async fn forget_frozen(&self, windows: Vec<String>) -> Result<(), LogError> {
        let frozen = &mut self.state.lock().stats.frozen;
        windows.iter().for_each(|window| drop(frozen.remove(window)));
        Ok(())
    }
}
