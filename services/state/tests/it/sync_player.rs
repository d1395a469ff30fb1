//! sync_player
