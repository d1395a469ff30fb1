//! What the binary's configuration says to combat.

use std::sync::Arc;

use gamemesh_domain::combat::CheckedContent;
use gamemesh_rpc::config::Secret;

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct CombatConfig {
    /// Threads that own sessions.
    pub shards: usize,
    /// Signs resume and page tokens.
    pub token_secret: Secret,
    pub content: Arc<CheckedContent>,
    /// Sockets have a sub-protocol that returns what it is sent: for suites that check the protocol itself.
    pub echo: bool,
}
