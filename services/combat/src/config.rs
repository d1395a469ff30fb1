//! What the binary's configuration says to combat.

use std::sync::Arc;

use gamemesh_domain::combat::CheckedContent;

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct CombatConfig {
    /// Threads that own sessions.
    pub shards: usize,
    /// Signs resume and page tokens; may be empty in development.
    pub token_secret: Vec<u8>,
    pub content: Arc<CheckedContent>,
    /// Sockets have a sub-protocol that returns what it is sent: for suites that check the protocol itself.
    pub echo: bool,
}
