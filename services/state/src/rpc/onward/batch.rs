//! A batch of updates over several owners: each gets his, and the answers come in order.

use std::sync::Arc;

use futures::future::{join, join_all};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::Lane;
use gamemesh_rpc::peer::Peer;
use pb::BatchUpdateAggregatesRequest as Batch;
use pb::batch_update_result::Result as Outcome;
use tonic::{Request, Response, Status};

use super::{Onward, Origin, Routed as _, Sent, unknown};
use crate::convert::refusal::to_refusal;
use crate::lanes::{AtWork, Route};
use crate::rpc::batch_update_aggregates::UPDATES_MAX;

/// Places of some updates within the batch.
type Places = Vec<usize>;

/// What became of the updates at some places, and those that are still to be made, here.
struct Made {
    results: Vec<(usize, pb::BatchUpdateResult)>,
    left: Places,
}

impl Onward {
    /// Makes a batch; `here` makes one in this instance.
    pub(in crate::rpc) async fn batch<F>(
        &self,
        request: Request<Batch>,
        here: impl Fn(Request<Batch>) -> F,
    ) -> Result<Response<pb::BatchUpdateAggregatesResponse>, Status>
    where
        F: Future<Output = Result<Response<pb::BatchUpdateAggregatesResponse>, Status>>,
    {
        if request.get_ref().updates.len() > UPDATES_MAX {
            return here(request).await;
        }
        let (mut mine, theirs, at_work) = self.split(&request).await;
        if theirs.is_empty() {
            return here(request).await;
        }
        let origin = Origin::of(request.metadata(), request.extensions(), &self.mark);
        let (metadata, extensions, batch) = request.into_parts();
        let part = |places: &[usize]| Batch {
            updates: places.iter().map(|at| batch.updates[*at].clone()).collect(),
        };
        let make = async |places: &[usize]| {
            let request = Request::from_parts(metadata.clone(), extensions.clone(), part(places));
            Ok::<_, Status>(match places {
                [] => Vec::new(),
                _ => here(request).await?.into_inner().results,
            })
        };
        let elsewhere = theirs.iter().map(|(peer, places)| {
            let (origin, part) = (&origin, part(places));
            async move { self.make_there(peer, places, origin, part).await }
        });
        let (made, made_there) = join(make(&mine), join_all(elsewhere)).await;
        let mut results = vec![pb::BatchUpdateResult::default(); batch.updates.len()];
        for (at, result) in mine.drain(..).zip(made?) {
            results[at] = result;
        }
        for Made { results: made, left } in made_there {
            mine.extend(left);
            for (at, result) in made {
                results[at] = result;
            }
        }
        mine.sort_unstable();
        for (at, result) in mine.iter().zip(make(&mine).await?) {
            results[*at] = result;
        }
        drop(at_work);
        Ok(Response::new(pb::BatchUpdateAggregatesResponse { results }))
    }

    /// Who makes which updates.
    async fn split(
        &self,
        request: &Request<Batch>,
    ) -> (Places, Vec<(Arc<Peer>, Places)>, Vec<AtWork>) {
        let (mut mine, mut theirs, mut at_work) = (Vec::new(), Vec::new(), Vec::new());
        for (at, update) in request.get_ref().updates.iter().enumerate() {
            let lane = self.lowest_lane(update).unwrap_or(Lane(0));
            match self.route(lane, request.metadata()).await {
                Route::Here(working) => {
                    mine.push(at);
                    at_work.push(working);
                }
                Route::There(peer) => {
                    let known = theirs.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &peer));
                    match known {
                        Some((_, places)) => Places::push(places, at),
                        None => theirs.push((peer, vec![at])),
                    }
                }
            }
        }
        (mine, theirs, at_work)
    }

    async fn make_there(
        &self,
        peer: &Arc<Peer>,
        places: &[usize],
        origin: &Origin,
        part: Batch,
    ) -> Made {
        match self.send(peer, origin, &part).await {
            Sent::Answered(Ok(response)) => {
                let results = response.into_inner().results;
                Made { results: places.iter().copied().zip(results).collect(), left: Vec::new() }
            }
            // Refused as a whole, none of it was done; what is refused here too is told by us.
            Sent::Answered(Err(_)) | Sent::NotDone => {
                Made { results: Vec::new(), left: places.to_vec() }
            }
            Sent::Unknown => {
                let mut made = Made { results: Vec::new(), left: Vec::new() };
                for (at, update) in places.iter().zip(&part.updates) {
                    if update.is_recognised(origin.has_key()) {
                        made.left.push(*at);
                    } else {
                        let result = Some(Outcome::Refusal(to_refusal(&unknown())));
                        made.results.push((*at, pb::BatchUpdateResult { result }));
                    }
                }
                made
            }
        }
    }
}
