use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::{Error, Result};

use super::answer::Answer;
use super::forwarding::Updater;

pub(super) const UPDATES_MAX: usize = 1_000;

pub(super) async fn handle(
    updater: Updater,
    request: pb::BatchUpdateAggregatesRequest,
) -> Result<Answer<pb::BatchUpdateAggregatesResponse>> {
    updater.check_headers()?;
    if request.updates.len() > UPDATES_MAX {
        return Err(Error::invalid("updates", format!("accepts at most {UPDATES_MAX}")));
    }
    let results = updater.outcomes(request.updates).await;
    Ok(Answer::new(pb::BatchUpdateAggregatesResponse { results }))
}
