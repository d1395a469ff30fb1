use std::sync::Arc;

use futures::{StreamExt as _, stream};
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;
use pb::store_result::Result as Stored;

use super::store_memory;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;

const REQUESTS_MAX: usize = 1_000;

/// Stores that wait for the disk together.
const TOGETHER_MAX: usize = 64;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::BatchStoreMemoriesRequest,
) -> Result<pb::BatchStoreMemoriesResponse> {
    if !(1..=REQUESTS_MAX).contains(&request.requests.len()) {
        return Err(Error::invalid("requests", format!("accepts 1 to {REQUESTS_MAX}")));
    }
    caller.without_key("idempotencyKey in each memory")?;
    engine.collection(&request.collection_id).await?;
    let collection_id = request.collection_id;
    let stores = request.requests.into_iter().map(|mut one| {
        let is_elsewhere = !one.collection_id.is_empty() && one.collection_id != collection_id;
        one.collection_id.clone_from(&collection_id);
        let (engine, caller) = (engine.clone(), caller.clone());
        async move {
            if is_elsewhere {
                let what = "accepts the collection of the batch, or nothing";
                return Err(Error::invalid("collectionId", what));
            }
            store_memory::handle(engine, caller, one).await
        }
    });
    let results = stream::iter(stores).buffered(TOGETHER_MAX).map(|result| pb::StoreResult {
        result: Some(match result {
            Ok(stored) => Stored::Stored(stored),
            Err(error) => Stored::Refusal(to_refusal(&error)),
        }),
    });
    Ok(pb::BatchStoreMemoriesResponse { results: results.collect().await })
}
