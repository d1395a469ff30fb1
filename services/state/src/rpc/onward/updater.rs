//! The updates that a stream brings, made here or where they belong.

use std::sync::Arc;

use gamemesh_contracts::state::v1::batch_update_result::Result as Outcome;
use gamemesh_contracts::state::v1::{
    BatchUpdateAggregatesRequest, BatchUpdateAggregatesResponse, BatchUpdateResult,
    UpdateAggregateRequest,
};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response};

use super::Onward;
use crate::caller::Caller;
use crate::convert::refusal::of_status;
use crate::engine::Engine;
use crate::rpc::update_aggregate::update_each;

/// Makes the updates of one call.
pub(in crate::rpc) struct Updater {
    engine: Arc<Engine>,
    caller: Caller,
    /// Absent where every lane is written here.
    onward: Option<(Arc<Onward>, MetadataMap, Extensions)>,
}

impl Updater {
    pub(in crate::rpc) fn new(
        engine: Arc<Engine>,
        caller: Caller,
        onward: Option<Arc<Onward>>,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Self {
        let onward = onward.map(|onward| (onward, metadata.clone(), extensions.clone()));
        Self { engine, caller, onward }
    }

    /// What became of some updates, of which there are at most as many as a batch takes. Those of one
    /// aggregate follow one another.
    pub(in crate::rpc) async fn outcomes(
        &self,
        updates: Vec<UpdateAggregateRequest>,
    ) -> Vec<BatchUpdateResult> {
        let Some((onward, metadata, extensions)) = &self.onward else {
            return update_each(&self.engine, &self.caller, updates).await;
        };
        let count = updates.len();
        let batch = BatchUpdateAggregatesRequest { updates };
        let request = Request::from_parts(metadata.clone(), extensions.clone(), batch);
        let here = |request: Request<BatchUpdateAggregatesRequest>| async move {
            let updates = request.into_inner().updates;
            let results = update_each(&self.engine, &self.caller, updates).await;
            Ok(Response::new(BatchUpdateAggregatesResponse { results }))
        };
        match onward.batch(request, here).await {
            Ok(response) => response.into_inner().results,
            Err(status) => {
                let result = Some(Outcome::Refusal(of_status(&status)));
                vec![BatchUpdateResult { result }; count]
            }
        }
    }
}
