//! Updates that one call brings at once: each owner gets its own, and the answers come in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use futures::future::{join, join_all};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_ownership::{Delivery, ForwardContext, LaneGuard, Route, outcome_unknown};
use gamemesh_repository::Lane;
use gamemesh_rpc::caller::Caller;
use gamemesh_rpc::peer::Peer;
use pb::batch_update_result::Result as Outcome;
use pb::{BatchUpdateAggregatesRequest as Batch, BatchUpdateResult, UpdateAggregateRequest};
use prost::Message as _;
use tonic::Request;

use super::{RoutedRequest as _, WriteForwarder};
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;
use crate::rpc::batch_update_aggregates::UPDATES_MAX;
use crate::rpc::update_aggregate::update_each;

/// Bytes of the updates that go to an owner at once; a larger one goes alone.
const PART_BYTES_MAX: usize = 2 << 20;

/// Makes the updates of one call, here or where they belong.
pub(in crate::rpc) struct Updater {
    engine: Arc<Engine>,
    caller: Caller,
    /// Absent where every lane is written here.
    forwarding: Option<Forwarding>,
}

/// How the parts of one call are forwarded.
pub(in crate::rpc) struct Forwarding {
    forwarder: Arc<WriteForwarder>,
    context: ForwardContext,
}

/// Indices of some updates among all of them.
type Indices = Vec<usize>;

/// The updates of one call by who makes them.
#[derive(Default)]
struct OwnerPartition {
    mine: Indices,
    theirs: Vec<(Arc<Peer>, Indices)>,
    guards: Vec<LaneGuard>,
}

/// The results of updates at some indices, and the indices of those that are still to be made here.
#[derive(Default)]
struct Made {
    results: Vec<(usize, BatchUpdateResult)>,
    left: Indices,
}

impl Updater {
    pub(in crate::rpc) fn new(
        engine: Arc<Engine>,
        caller: Caller,
        forwarding: Option<Forwarding>,
    ) -> Self {
        Self { engine, caller, forwarding }
    }

    /// A header says nothing about one of several updates.
    pub(in crate::rpc) fn check_headers(&self) -> Result<()> {
        self.caller.without_conditions("expectedVersion or mustExist in each update")?;
        self.caller.without_key("idempotencyKey in each update")
    }

    /// What became of each update, in order.
    pub(in crate::rpc) async fn outcomes(
        &self,
        updates: Vec<UpdateAggregateRequest>,
    ) -> Vec<BatchUpdateResult> {
        let Some(forwarding) = &self.forwarding else {
            return update_each(&self.engine, &self.caller, updates).await;
        };
        let OwnerPartition { mine, theirs, guards } = forwarding.partition(&updates).await;
        if theirs.is_empty() {
            return update_each(&self.engine, &self.caller, updates).await;
        }
        let there =
            theirs.iter().map(|(peer, indices)| forwarding.make_there(peer, indices, &updates));
        let (here, there) = join(self.make_here(&mine, &updates), join_all(there)).await;
        let mut results = vec![BatchUpdateResult::default(); updates.len()];
        let mut put = |made: Vec<(usize, BatchUpdateResult)>| {
            for (at, result) in made {
                results[at] = result;
            }
        };
        put(here);
        let mut left = Indices::new();
        for made in there {
            put(made.results);
            left.extend(made.left);
        }
        left.sort_unstable();
        put(self.make_here(&left, &updates).await);
        drop(guards);
        results
    }

    async fn make_here(
        &self,
        indices: &[usize],
        updates: &[UpdateAggregateRequest],
    ) -> Vec<(usize, BatchUpdateResult)> {
        let mine = indices.iter().map(|at| updates[*at].clone()).collect();
        let made = update_each(&self.engine, &self.caller, mine).await;
        indices.iter().copied().zip(made).collect()
    }
}

impl Forwarding {
    pub(in crate::rpc) fn new<M>(forwarder: &Arc<WriteForwarder>, request: &Request<M>) -> Self {
        let context = forwarder.context(request.metadata(), request.extensions());
        Self { forwarder: forwarder.clone(), context }
    }

    /// A lane is asked for once, so that the updates of an aggregate stay together.
    async fn partition(&self, updates: &[UpdateAggregateRequest]) -> OwnerPartition {
        let mut partition = OwnerPartition::default();
        let WriteForwarder { forwarder, .. } = &*self.forwarder;
        let mut owners: HashMap<Lane, Option<Arc<Peer>>> = HashMap::new();
        for (at, update) in updates.iter().enumerate() {
            let lane = self.forwarder.lowest_lane(update).unwrap_or(Lane(0));
            let owner = match owners.entry(lane) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    unknown.insert(match forwarder.route(lane, self.context.is_forwarded).await {
                        Route::There(peer) => Some(peer),
                        Route::Here(guard) => {
                            partition.guards.push(guard);
                            None
                        }
                    })
                }
            };
            let Some(owner) = owner else {
                partition.mine.push(at);
                continue;
            };
            match partition.theirs.iter_mut().find(|(known, _)| Arc::ptr_eq(known, owner)) {
                Some((_, indices)) => indices.push(at),
                None => partition.theirs.push((owner.clone(), vec![at])),
            }
        }
        partition
    }

    /// Part by part, in order; after one that was not done there, all that follow are made here.
    async fn make_there(
        &self,
        peer: &Arc<Peer>,
        indices: &[usize],
        updates: &[UpdateAggregateRequest],
    ) -> Made {
        let mut made = Made::default();
        let mut rest = indices;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(fitting(rest, updates));
            let batch = Batch { updates: part.iter().map(|at| updates[*at].clone()).collect() };
            match self.forwarder.deliver(peer, &self.context.call, &batch).await {
                Delivery::Answered(Ok(response)) => {
                    let results = response.into_inner().results;
                    made.results.extend(part.iter().copied().zip(results));
                }
                // Refused as a whole, none of it was done; what is refused here too is told by us.
                Delivery::Answered(Err(_)) | Delivery::NotDone => {
                    made.left.extend(rest);
                    break;
                }
                Delivery::Unknown => {
                    for (at, update) in part.iter().zip(&batch.updates) {
                        if update.is_recognised(self.context.call.has_key()) {
                            made.left.push(*at);
                        } else {
                            let result = Some(Outcome::Refusal(to_refusal(&outcome_unknown())));
                            made.results.push((*at, BatchUpdateResult { result }));
                        }
                    }
                    made.left.extend(after);
                    break;
                }
            }
            rest = after;
        }
        made
    }
}

/// How many of these fit into one request; one in any case.
fn fitting(indices: &[usize], updates: &[UpdateAggregateRequest]) -> usize {
    let mut bytes = 0;
    let fits = |at: &&usize| {
        bytes += updates[**at].encoded_len();
        bytes <= PART_BYTES_MAX
    };
    indices.iter().take(UPDATES_MAX).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_in_number_and_in_bytes() {
        let update = |bytes: usize| UpdateAggregateRequest {
            reason: "r".repeat(bytes),
            ..UpdateAggregateRequest::default()
        };
        let small = vec![update(1); UPDATES_MAX + 5];
        let indices: Indices = (0..small.len()).collect();
        assert_eq!(fitting(&indices, &small), UPDATES_MAX);
        assert_eq!(fitting(&indices[UPDATES_MAX..], &small), 5);
        let large = [update(1 << 20), update(900 << 10), update(200 << 10), update(3 << 20)];
        assert_eq!(fitting(&[0, 1, 2, 3], &large), 2);
        assert_eq!(fitting(&[3], &large), 1);
    }
}
