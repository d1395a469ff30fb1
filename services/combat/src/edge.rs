//! What calls and connections need of the service.

use std::sync::Arc;

use gamemesh_ownership::{Forwarder, Ownership};
use gamemesh_repository::{CombatTables, EventLog};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::tls::Connector;

use crate::contents::Contents;
use crate::metrics::CombatMetrics;
use crate::shard::shards::Shards;
use crate::token::Tokens;

/// What the owners of sessions share.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) contents: Contents,
    pub(crate) clock: Clock,
    pub(crate) metrics: CombatMetrics,
    pub(crate) tokens: Tokens,
    /// Absent where nobody shares the log.
    pub(crate) ownership: Option<Arc<Ownership>>,
}

/// The way in.
pub(crate) struct Edge {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Shards,
    pub(crate) forwarder: Option<Arc<Forwarder>>,
    /// Opens sockets to the owners of sessions.
    pub(crate) connector: Connector,
    pub(crate) tables: Arc<dyn CombatTables>,
    pub(crate) tokens: Tokens,
    /// Whether sockets may be asked to return what they are sent.
    pub(crate) echo: bool,
    pub(crate) clock: Clock,
    pub(crate) metrics: CombatMetrics,
}
