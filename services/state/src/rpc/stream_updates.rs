use futures::{Stream, StreamExt as _, stream};
use gamemesh_contracts::state::v1::{StreamUpdatesRequest, StreamUpdatesResponse};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::stack;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::batch_update_aggregates::UPDATES_MAX;
use super::onward::Updater;
use crate::caller::Caller;

/// Updates of one stream that are made together. While they are on their way to the disk the next
/// gather; beyond so many they are not read, and the caller feels it as back-pressure.
const TOGETHER_MAX: usize = UPDATES_MAX;

/// Groups of answers that wait for the caller to read them.
const GROUPS_MAX: usize = 1;

type Answers = mpsc::Sender<Vec<Result<StreamUpdatesResponse>>>;

pub(super) fn handle(
    updater: Updater,
    caller: &Caller,
    requests: Streaming<StreamUpdatesRequest>,
    draining: CancellationToken,
) -> Result<impl Stream<Item = Result<StreamUpdatesResponse>> + Send + use<>> {
    caller.may_write()?;
    let (answers, receiver) = mpsc::channel(GROUPS_MAX);
    tokio::spawn(work(updater, requests, answers, draining));
    Ok(tokio_stream::wrappers::ReceiverStream::new(receiver).flat_map(stream::iter))
}

/// Takes what has arrived, makes it durable, answers, and takes what has arrived since: updates of one
/// aggregate follow one another, and what was read is seen through if the caller goes away. When the
/// server drains, what was read is answered and the stream ends: its caller sends the rest elsewhere.
async fn work(
    updater: Updater,
    requests: Streaming<StreamUpdatesRequest>,
    answers: Answers,
    draining: CancellationToken,
) {
    let mut arrived = requests.ready_chunks(TOGETHER_MAX);
    loop {
        let requests = tokio::select! {
            biased;
            () = draining.cancelled() => {
                let _ = answers.send(vec![Err(stack::draining())]).await;
                return;
            }
            requests = arrived.next() => requests,
        };
        let Some(requests) = requests else { return };
        let mut sequences = Vec::with_capacity(requests.len());
        let mut updates = Vec::with_capacity(requests.len());
        let mut end = None;
        for request in requests {
            match request {
                Ok(StreamUpdatesRequest { sequence, update: Some(update) }) => {
                    sequences.push(sequence);
                    updates.push(update);
                }
                Ok(StreamUpdatesRequest { update: None, .. }) => {
                    let what = "update: every message carries an update";
                    let error = Error::new(Code::InvalidArgument, what);
                    end = Some(Err(error.with_field("update", "is required")));
                    break;
                }
                // The caller went away or broke the protocol.
                Err(status) => {
                    tracing::debug!(%status, "a stream of updates broke off");
                    end = Some(Ok(()));
                    break;
                }
            }
        }
        let results = updater.outcomes(updates).await;
        let answer = |(sequence, result)| StreamUpdatesResponse { sequence, result: Some(result) };
        let mut group: Vec<_> = sequences.into_iter().zip(results).map(answer).map(Ok).collect();
        let ends = end.is_some();
        group.extend(end.and_then(Result::err).map(Err));
        // A caller that does not read any more has no use for them.
        if answers.send(group).await.is_err() || ends {
            return;
        }
    }
}
