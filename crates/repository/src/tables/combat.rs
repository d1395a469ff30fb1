//! The tables of the combat service: sessions, what happened in them, and who took part.

use async_trait::async_trait;
use bytes::Bytes;

use crate::LogError;

/// Rows of `combat_sessions`, `combat_events` and `combat_players`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CombatRows {
    pub sessions: Vec<CombatSessionRow>,
    pub events: Vec<CombatEventRow>,
    pub players: Vec<CombatPlayerRow>,
}

/// A row of `combat_sessions`. An older revision does not replace a newer one.
#[derive(Debug, Clone, PartialEq)]
pub struct CombatSessionRow {
    pub session_id: String,
    pub name: String,
    pub kind: String,
    pub status: String,
    pub max_players: i32,
    pub map_id: String,
    pub game_mode: String,
    pub created_us: i64,
    pub started_us: Option<i64>,
    pub ended_us: Option<i64>,
    pub updated_us: i64,
    pub revision: u64,
    /// The service's own encoding of all of it.
    pub session: Bytes,
}

/// A row of `combat_events`. A repeated one stays as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct CombatEventRow {
    pub session_id: String,
    /// Counts what is recorded of the session.
    pub number: u64,
    pub kind: String,
    /// The player whom it is about first, if it is about one.
    pub player_id: Option<String>,
    /// JSON text.
    pub data: String,
    pub time_us: i64,
}

/// A row of `combat_players`: a player's numbers in one session.
#[derive(Debug, Clone, PartialEq)]
pub struct CombatPlayerRow {
    pub player_id: String,
    pub session_id: String,
    pub score: i64,
    pub updated_us: i64,
    /// The service's own encoding.
    pub stats: Bytes,
}

/// Which sessions are listed, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CombatQuery {
    pub status: Option<String>,
    pub map_id: Option<String>,
    pub game_mode: Option<String>,
    /// Only those in which this player takes or took part.
    pub player_id: Option<String>,
    /// Only those after this one: its time of creation and its id.
    pub after: Option<(i64, String)>,
    pub limit: usize,
}

impl CombatEventRow {
    /// The column `id`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.session_id, self.number)
    }
}

impl CombatRows {
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.events.is_empty() && self.players.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        let sessions = self.sessions.iter().map(|row| row.session.len() + 256);
        let events = self.events.iter().map(|row| row.data.len() + 128);
        let players = self.players.iter().map(|row| row.stats.len() + 128);
        sessions.chain(events).chain(players).sum()
    }
}

/// Reading these tables.
#[async_trait]
pub trait CombatTables: Send + Sync + 'static {
    async fn sessions(&self, query: &CombatQuery) -> Result<Vec<CombatSessionRow>, LogError>;

    /// Events of a session in the order of their times.
    async fn combat_events(
        &self,
        session_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatEventRow>, LogError>;

    /// A player's rows, the newest first.
    async fn player_sessions(
        &self,
        player_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatPlayerRow>, LogError>;
}
