//! After a lost reply: is the batch in the log? It is asked until it is known, or too long.

use std::time::Duration;

use gamemesh_repository::LogError;
use gamemesh_repository::batch::Planned;
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::connect::{Connector, timely};
use crate::error::{Failure, failure, log_error};
use crate::types::Uuid;

/// How long it is asked. A server that crashed must recover in this time.
const SETTLE_MS_MAX: u64 = 15_000;

/// Between two attempts.
const PAUSE_MS: u64 = 50;

/// Whether the batch was written, and a connection that is sound. Nothing of it can be written
/// later. The error says why it cannot be known.
pub(super) async fn settle(
    connector: &Connector,
    planned: &Planned,
) -> Result<(bool, PgConnection), LogError> {
    let deadline = Instant::now() + Duration::from_millis(SETTLE_MS_MAX);
    loop {
        let cause = match attempt(connector, planned).await {
            Ok(settled) => return Ok(settled),
            Err(cause) => cause,
        };
        if Instant::now() >= deadline {
            return Err(cause);
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}

async fn attempt(
    connector: &Connector,
    planned: &Planned,
) -> Result<(bool, PgConnection), LogError> {
    let connected = connector.connect_anyway().await;
    connector.record(&connected);
    let mut connection = connected?;
    let lanes: Vec<i16> = planned.lanes.iter().map(|lane| lane.lane.0 as i16).collect();
    let written = planned.lanes.iter().find(|lane| !lane.events.is_empty());
    let (lane, first) =
        written.map_or((-1, 0), |lane| (lane.lane.0 as i16, lane.durable as i64 + 1));
    let asking = sqlx::query_scalar("SELECT settle_batch($1, $2, $3, $4)")
        .bind(lanes)
        .bind(lane)
        .bind(first)
        .bind(Uuid(planned.batch))
        .fetch_one(&mut connection);
    let written = timely(connector.reply_max, asking).await?.map_err(|error| {
        if failure(&error) == Failure::Refused {
            tracing::error!(%error, "asking for a batch");
        }
        log_error(error)
    })?;
    Ok((written, connection))
}
