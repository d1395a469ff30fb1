//! Streams that another instance answers.

use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use gamemesh_domain::{Code, Error};
use gamemesh_ownership::{Forwarder, Ownership};
use gamemesh_repository::Lane;
use gamemesh_rpc::error::to_status;
use gamemesh_rpc::peer::DeliveryFailure;
use tonic::{Status, Streaming};

/// The answers of an owner, until he ends them or the lane is no longer his: one that hangs does not hold
/// up who reads.
pub(crate) fn passed_on<T: Send + 'static>(
    forwarder: &Arc<Forwarder>,
    lane: Lane,
    mut answers: Streaming<T>,
) -> impl Stream<Item = Result<T, Status>> + Send + use<T> {
    let ownership: Arc<Ownership> = forwarder.ownership().clone();
    try_stream! {
        let moved = ownership.changes_hands(lane);
        tokio::pin!(moved);
        loop {
            let answer = tokio::select! {
                answer = answers.message() => answer.map_err(|status| explained(&status)),
                () = &mut moved => Err(to_status(&gone())),
            };
            let Some(answer) = answer? else { break };
            yield answer;
        }
    }
}

/// Why the owner's stream has ended: his own words, or that he is gone.
fn explained(status: &Status) -> Status {
    match DeliveryFailure::of(status) {
        Some(_) => to_status(&gone()),
        None => {
            let details = status.details().to_vec();
            Status::with_details(status.code(), status.message(), details.into())
        }
    }
}

/// That the instance which answered does not any more.
pub(crate) fn gone() -> Error {
    Error::new(
        Code::NotServing,
        "the session's owner is gone, or another instance is; open it again",
    )
    .with_retry_after(std::time::Duration::from_millis(500))
}
