//! Updates that one call brings at once: each owner gets his, and the answers come in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use futures::future::{join, join_all};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::Lane;
use gamemesh_rpc::peer::Peer;
use pb::batch_update_result::Result as Outcome;
use pb::{BatchUpdateAggregatesRequest as Batch, BatchUpdateResult, UpdateAggregateRequest};
use prost::Message as _;

use super::{Routed as _, Sent, Way, unknown};
use crate::caller::Caller;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;
use crate::lanes::{AtWork, Route};
use crate::rpc::batch_update_aggregates::UPDATES_MAX;
use crate::rpc::update_aggregate::update_each;

/// Bytes of the updates that go to an owner at once; a larger one goes alone.
const PART_BYTES_MAX: usize = 2 << 20;

/// Makes the updates of one call, here or where they belong.
pub(in crate::rpc) struct Updater {
    engine: Arc<Engine>,
    caller: Caller,
    /// Absent where every lane is written here.
    way: Option<Way>,
}

/// Places of some updates among all of them.
type Places = Vec<usize>;

/// Who makes which updates.
#[derive(Default)]
struct Shares {
    mine: Places,
    theirs: Vec<(Arc<Peer>, Places)>,
    at_work: Vec<AtWork>,
}

/// What became of the updates at some places, and those that are still to be made, here.
#[derive(Default)]
struct Made {
    results: Vec<(usize, BatchUpdateResult)>,
    left: Places,
}

impl Updater {
    pub(in crate::rpc) fn new(engine: Arc<Engine>, caller: Caller, way: Option<Way>) -> Self {
        Self { engine, caller, way }
    }

    /// What became of each update, in order.
    pub(in crate::rpc) async fn outcomes(
        &self,
        updates: Vec<UpdateAggregateRequest>,
    ) -> Vec<BatchUpdateResult> {
        let Some(way) = &self.way else {
            return update_each(&self.engine, &self.caller, updates).await;
        };
        let Shares { mine, theirs, at_work } = way.share_out(&updates).await;
        if theirs.is_empty() {
            return update_each(&self.engine, &self.caller, updates).await;
        }
        let there = theirs.iter().map(|(peer, places)| way.make_there(peer, places, &updates));
        let (here, there) = join(self.make_here(&mine, &updates), join_all(there)).await;
        let mut results = vec![BatchUpdateResult::default(); updates.len()];
        let mut put = |made: Vec<(usize, BatchUpdateResult)>| {
            for (at, result) in made {
                results[at] = result;
            }
        };
        put(here);
        let mut left = Places::new();
        for made in there {
            put(made.results);
            left.extend(made.left);
        }
        left.sort_unstable();
        put(self.make_here(&left, &updates).await);
        drop(at_work);
        results
    }

    async fn make_here(
        &self,
        places: &[usize],
        updates: &[UpdateAggregateRequest],
    ) -> Vec<(usize, BatchUpdateResult)> {
        let mine = places.iter().map(|at| updates[*at].clone()).collect();
        let made = update_each(&self.engine, &self.caller, mine).await;
        places.iter().copied().zip(made).collect()
    }
}

impl Way {
    /// A lane is asked for once, so that the updates of an aggregate stay together.
    async fn share_out(&self, updates: &[UpdateAggregateRequest]) -> Shares {
        let mut shares = Shares::default();
        let mut owners: HashMap<Lane, Option<Arc<Peer>>> = HashMap::new();
        for (at, update) in updates.iter().enumerate() {
            let lane = self.onward.lowest_lane(update).unwrap_or(Lane(0));
            let owner = match owners.entry(lane) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    unknown.insert(match self.onward.route(lane, self.is_marked).await {
                        Route::There(peer) => Some(peer),
                        Route::Here(at_work) => {
                            shares.at_work.push(at_work);
                            None
                        }
                    })
                }
            };
            let Some(owner) = owner else {
                shares.mine.push(at);
                continue;
            };
            match shares.theirs.iter_mut().find(|(known, _)| Arc::ptr_eq(known, owner)) {
                Some((_, places)) => places.push(at),
                None => shares.theirs.push((owner.clone(), vec![at])),
            }
        }
        shares
    }

    /// Part by part, in order; after one that was not done there, all that follow are made here.
    async fn make_there(
        &self,
        peer: &Arc<Peer>,
        places: &[usize],
        updates: &[UpdateAggregateRequest],
    ) -> Made {
        let mut made = Made::default();
        let mut rest = places;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(fitting(rest, updates));
            let batch = Batch { updates: part.iter().map(|at| updates[*at].clone()).collect() };
            match self.onward.send(peer, &self.origin, &batch).await {
                Sent::Answered(Ok(response)) => {
                    let results = response.into_inner().results;
                    made.results.extend(part.iter().copied().zip(results));
                }
                // Refused as a whole, none of it was done; what is refused here too is told by us.
                Sent::Answered(Err(_)) | Sent::NotDone => {
                    made.left.extend(rest);
                    break;
                }
                Sent::Unknown => {
                    for (at, update) in part.iter().zip(&batch.updates) {
                        if update.is_recognised(self.origin.has_key()) {
                            made.left.push(*at);
                        } else {
                            let result = Some(Outcome::Refusal(to_refusal(&unknown())));
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
fn fitting(places: &[usize], updates: &[UpdateAggregateRequest]) -> usize {
    let mut bytes = 0;
    let fits = |at: &&usize| {
        bytes += updates[**at].encoded_len();
        bytes <= PART_BYTES_MAX
    };
    places.iter().take(UPDATES_MAX).take_while(fits).count().max(1)
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
        let places: Places = (0..small.len()).collect();
        assert_eq!(fitting(&places, &small), UPDATES_MAX);
        assert_eq!(fitting(&places[UPDATES_MAX..], &small), 5);
        let large = [update(1 << 20), update(900 << 10), update(200 << 10), update(3 << 20)];
        assert_eq!(fitting(&[0, 1, 2, 3], &large), 2);
        assert_eq!(fitting(&[3], &large), 1);
    }
}
