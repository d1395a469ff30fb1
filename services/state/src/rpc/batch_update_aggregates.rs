use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::forwarding::Updater;
use crate::access::StateCaller as _;

pub(super) const UPDATES_MAX: usize = 1_000;

pub(super) async fn handle(
    updater: Updater,
    caller: Caller,
    request: pb::BatchUpdateAggregatesRequest,
) -> Result<Answer<pb::BatchUpdateAggregatesResponse>> {
    caller.may_write()?;
    if request.updates.len() > UPDATES_MAX {
        return Err(Error::invalid("updates", format!("accepts at most {UPDATES_MAX}")));
    }
    let results = updater.outcomes(request.updates).await;
    Ok(Answer::new(pb::BatchUpdateAggregatesResponse { results }))
}
