//! Updates on a stream: those that have arrived are made together, and while they are being committed the
//! next that need not wait for them are made.

mod groups;
mod order;

use futures::{Stream, StreamExt as _, stream};
use gamemesh_contracts::state::v1::{StreamUpdatesRequest, StreamUpdatesResponse};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::stack;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use self::groups::Groups;
use super::batch_update_aggregates::UPDATES_MAX;
use super::forwarding::Updater;

/// Groups of answers that wait for the caller to read them.
const ANSWERED_MAX: usize = 1;

type Answer = Result<StreamUpdatesResponse>;

pub(super) fn handle(
    updater: Updater,
    requests: Streaming<StreamUpdatesRequest>,
    draining: CancellationToken,
) -> impl Stream<Item = Answer> + Send {
    let (answers, receiver) = mpsc::channel(ANSWERED_MAX);
    tokio::spawn(work(Groups::new(updater), requests, answers, draining));
    tokio_stream::wrappers::ReceiverStream::new(receiver).flat_map(stream::iter)
}

/// Reads, begins and answers. Beyond what may wait nothing is read, and the caller feels it as
/// back-pressure. What was read is seen through if the caller goes away. When the server drains, what was
/// read is answered and the stream ends: its caller sends the rest elsewhere.
async fn work(
    mut groups: Groups,
    requests: Streaming<StreamUpdatesRequest>,
    answers: mpsc::Sender<Vec<Answer>>,
    draining: CancellationToken,
) {
    let mut arrived = requests.ready_chunks(UPDATES_MAX);
    // With what the stream ends when all that was read is answered.
    let mut end: Option<Vec<Answer>> = None;
    loop {
        groups.begin();
        if let Some(end) = end.take_if(|_| groups.are_done()) {
            let _ = answers.send(end).await;
            return;
        }
        let is_open = end.is_none();
        tokio::select! {
            biased;
            () = draining.cancelled(), if is_open => end = Some(vec![Err(stack::draining())]),
            done = groups.next_done() => {
                let Ok(done) = done else {
                    let _ = answers.send(vec![Err(Error::internal("a group of updates broke off"))]).await;
                    return;
                };
                // A caller that does not read any more has no use for them.
                if answers.send(groups.answered(done)).await.is_err() {
                    end.get_or_insert_default();
                }
            }
            requests = arrived.next(), if is_open && !groups.are_full() => end = match requests {
                Some(requests) => groups.read(requests),
                None => Some(Vec::new()),
            },
        }
    }
}
