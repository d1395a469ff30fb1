//! Forgetting idempotency keys that are older than they are kept.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_repository::{Idempotency, LogError};

use crate::error::log_error;
use crate::pool::{Pool, read};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);

/// Keys of one statement.
const KEYS_MAX: i64 = 1_000;

/// Forgets round by round until it is ended.
pub(crate) async fn forget(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(ROUND).await;
        match forget_old(&pool).await {
            Ok(0) => {}
            Ok(keys) => tracing::debug!(keys, "forgot idempotency keys"),
            Err(error) => tracing::warn!(%error, "forgetting idempotency keys"),
        }
    }
}

/// A lane's own last time is the clock by which its keys grow old. Several instances may do this at
/// once.
pub(crate) async fn forget_old(pool: &Pool) -> Result<u64, LogError> {
    let mut forgotten = 0;
    loop {
        let round = read!(pool, connection, {
            sqlx::query(
                "DELETE FROM idempotency WHERE key IN (SELECT old.key FROM lane l \
                     CROSS JOIN LATERAL (SELECT key FROM idempotency i WHERE i.lane = l.lane \
                       AND l.time_us > $1 AND i.time_us < l.time_us - $2 \
                       ORDER BY i.time_us LIMIT $3 FOR UPDATE SKIP LOCKED) old)",
            )
            .bind(i64::MIN + Idempotency::WINDOW_US)
            .bind(Idempotency::WINDOW_US)
            .bind(KEYS_MAX)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
            .map_err(log_error)
        })?;
        forgotten += round;
        if round < KEYS_MAX as u64 {
            return Ok(forgotten);
        }
    }
}
