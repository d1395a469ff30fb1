//! The tables of the state service: players and matches.

use async_trait::async_trait;

use crate::{LogError, Version};

/// Rows of `player_states` and `match_states`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateRows {
    pub players: Vec<PlayerRow>,
    pub matches: Vec<MatchRow>,
}

/// A row of `player_states`. The four documents are JSON text.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerRow {
    pub player_id: String,
    /// The player was deleted: the row is removed.
    pub deleted: bool,
    pub status: String,
    pub level: i64,
    pub experience: i64,
    pub health: f64,
    pub position: [f64; 3],
    pub inventory: String,
    pub statistics: String,
    pub achievements: String,
    pub last_updated_us: i64,
    pub version: Version,
}

/// A row of `match_states`. The three documents are JSON text.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchRow {
    pub match_id: String,
    /// The match was deleted: the row is removed.
    pub deleted: bool,
    pub phase: String,
    pub players: String,
    pub events: String,
    pub statistics: String,
    pub started_us: Option<i64>,
    pub ended_us: Option<i64>,
    pub last_updated_us: i64,
    pub version: Version,
}

impl StateRows {
    pub(super) fn bytes(&self) -> usize {
        let players = self
            .players
            .iter()
            .map(|row| row.inventory.len() + row.statistics.len() + row.achievements.len());
        let matches = self
            .matches
            .iter()
            .map(|row| row.players.len() + row.events.len() + row.statistics.len());
        players.chain(matches).sum()
    }
}

/// Reading these tables, as an SQL user sees them.
#[async_trait]
pub trait StateTables: Send + Sync + 'static {
    async fn player(&self, player_id: &str) -> Result<Option<PlayerRow>, LogError>;

    async fn match_state(&self, match_id: &str) -> Result<Option<MatchRow>, LogError>;
}
