//! Reading what tells whether an append is a retry.

use gamemesh_repository::batch::{Claim, Outcome, Plan};
use gamemesh_repository::{Append, AppendError, Direction, LogError};
use sqlx::PgConnection;

use crate::read;

/// The answer to an append whose expectation failed. The outer error is one of the database.
pub(super) async fn read_back(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
    append: &Append,
    conflict: AppendError,
) -> Result<Outcome, LogError> {
    let mut recorded = Vec::new();
    for claim in plan.claims(append) {
        if plan.holds(&claim) {
            recorded.push(Vec::new());
            continue;
        }
        let Claim { stream, from, count } = claim;
        let lane = plan.lane_of(stream);
        let forward = Direction::Forward;
        recorded.push(read::stream(connection, stream, lane, from, count, forward).await?);
    }
    Ok(plan.read_back(append, conflict, recorded))
}
