//! Reading what tells whether an append is a retry.

use gamemesh_repository::batch::{Claim, Outcome, Plan};
use gamemesh_repository::{Append, AppendError, Direction};
use sqlx::SqliteConnection;

use crate::read;

/// The answer to an append whose expectation failed.
pub(super) async fn read_back(
    connection: &mut SqliteConnection,
    plan: &Plan<'_>,
    append: &Append,
    conflict: AppendError,
) -> Outcome {
    let mut recorded = Vec::new();
    for claim in plan.claims(append) {
        if plan.holds(&claim) {
            recorded.push(Vec::new());
            continue;
        }
        let Claim { stream, from, count } = claim;
        match read::stream(connection, stream, from, count, Direction::Forward).await {
            Ok(events) => recorded.push(events),
            Err(error) => return Outcome { result: Err(error.into()), depends_on_batch: false },
        }
    }
    plan.read_back(append, conflict, recorded)
}
