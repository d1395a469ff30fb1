//! What several RPCs are asked in the same words.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::common::v1::Consistency;
use gamemesh_domain::stats::{MatchView, Name, Window};
use gamemesh_domain::{Error, Result};

use crate::convert::time;
use crate::engine::Engine;

/// The oldest that a bounded read accepts.
const AGE_MAX: Duration = Duration::from_secs(3_600);

/// Entries of a page.
pub(super) const LIMIT_MAX: i32 = 1_000;

/// How many entries: at most [`LIMIT_MAX`].
pub(super) fn limit(limit: i32, default: usize) -> Result<usize> {
    match limit {
        0 => Ok(default),
        1..=LIMIT_MAX => Ok(limit as usize),
        _ => Err(Error::invalid("limit", "accepts 1 to 1000, or 0 for the default")),
    }
}

pub(super) fn match_id(text: &str) -> Result<Name> {
    Name::parse("matchId", text)
}

pub(super) fn player_id(text: &str) -> Result<Name> {
    Name::parse("playerId", text)
}

pub(super) fn window(engine: &Engine, text: &str) -> Result<Window> {
    Window::parse(text, engine.clock.now_micros(), engine.config.season).ok_or_else(|| {
        Error::invalid("window", "accepts all, season, week, day, season-3, 2026-W01, 2025-12-29")
    })
}

/// The match that a read asks for, as fresh as it asks.
pub(super) async fn view(
    engine: &Engine,
    id: &str,
    consistency: i32,
    max_age: Option<prost_types::Duration>,
    as_of_version: i64,
) -> Result<Arc<MatchView>> {
    let id = match_id(id)?;
    if as_of_version != 0 {
        let version = u64::try_from(as_of_version)
            .map_err(|_| Error::invalid("asOfVersion", "accepts 0 and more"))?;
        return engine.view_at(id.as_str(), version).await;
    }
    let max_age = match Consistency::try_from(consistency) {
        Ok(Consistency::Unspecified | Consistency::Strong | Consistency::AtLeast) => None,
        Ok(Consistency::Bounded) => {
            let age =
                max_age.ok_or_else(|| Error::invalid("maxAge", "is required with BOUNDED"))?;
            Some(time::from_duration("maxAge", &age, Duration::ZERO, AGE_MAX)?)
        }
        Ok(Consistency::Any) => Some(Duration::MAX),
        Err(_) => return Err(Error::invalid("consistency", "accepts a value of Consistency")),
    };
    engine.view(id.as_str(), max_age).await
}
