use std::collections::HashMap;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::state::v1::{
    BatchUpdateResult, StreamUpdatesRequest, StreamUpdatesResponse, UpdateAggregateRequest,
};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::stack;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::batch_update_aggregates::outcome;
use crate::caller::Caller;
use crate::engine::Engine;

/// Updates of one stream that are under way. When so many are, the next is not read: the caller
/// feels it as back-pressure.
const IN_FLIGHT_MAX: usize = 1_024;

/// Answers that wait for the caller to read them.
const ANSWERS_MAX: usize = 1_024;

type Answers = mpsc::Sender<Result<StreamUpdatesResponse>>;

/// An update with its place in the bound of those under way.
struct Queued {
    sequence: i64,
    update: UpdateAggregateRequest,
    place: OwnedSemaphorePermit,
}

pub(super) fn handle(
    engine: Arc<Engine>,
    caller: &Caller,
    requests: Streaming<StreamUpdatesRequest>,
    draining: CancellationToken,
) -> Result<impl Stream<Item = Result<StreamUpdatesResponse>> + Send + use<>> {
    caller.may_write()?;
    let (answers, receiver) = mpsc::channel(ANSWERS_MAX);
    tokio::spawn(read(engine, Arc::new(caller.clone()), requests, answers, draining));
    Ok(tokio_stream::wrappers::ReceiverStream::new(receiver))
}

/// Reads the stream and starts each update. Those of one aggregate wait for one another. When the
/// server drains, what was read is answered and the stream ends: its caller sends the rest elsewhere.
async fn read(
    engine: Arc<Engine>,
    caller: Arc<Caller>,
    mut requests: Streaming<StreamUpdatesRequest>,
    answers: Answers,
    draining: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut queues: HashMap<(String, String), mpsc::UnboundedSender<Queued>> = HashMap::new();
    loop {
        let request = tokio::select! {
            biased;
            () = draining.cancelled() => {
                let _all_answered = places.acquire_many(IN_FLIGHT_MAX as u32).await;
                let _ = answers.send(Err(stack::draining())).await;
                return;
            }
            request = requests.next() => request,
        };
        let request = match request {
            Some(Ok(request)) => request,
            None => return,
            // The caller went away or broke the protocol: what it has sent is seen through.
            Some(Err(status)) => {
                tracing::debug!(%status, "a stream of updates broke off");
                return;
            }
        };
        let StreamUpdatesRequest { sequence, update } = request;
        let Some(update) = update else {
            let error =
                Error::new(Code::InvalidArgument, "update: every message carries an update");
            // A caller that does not read any more has no use for it.
            let _ = answers.send(Err(error.with_field("update", "is required"))).await;
            return;
        };
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let key = (update.r#type.clone(), update.id.clone());
        let queued = Queued { sequence, update, place };
        // Bounded by the places: a queue never holds more than there are.
        let refused = match queues.get(&key) {
            Some(queue) => queue.send(queued).err().map(|unsent| unsent.0),
            None => Some(queued),
        };
        if let Some(queued) = refused {
            let (queue, updates) = mpsc::unbounded_channel();
            let _ = queue.send(queued);
            tokio::spawn(work(engine.clone(), caller.clone(), updates, answers.clone()));
            if queues.len() >= IN_FLIGHT_MAX {
                queues.retain(|_, queue| !queue.is_closed());
            }
            queues.insert(key, queue);
        }
    }
}

/// Makes the updates of one aggregate, in order.
async fn work(
    engine: Arc<Engine>,
    caller: Arc<Caller>,
    mut updates: mpsc::UnboundedReceiver<Queued>,
    answers: Answers,
) {
    while let Some(Queued { sequence, update, place }) = updates.recv().await {
        let result: BatchUpdateResult = outcome(&engine, &caller, update).await;
        let answer = StreamUpdatesResponse { sequence, result: Some(result) };
        if answers.send(Ok(answer)).await.is_err() {
            return;
        }
        drop(place);
        if updates.is_empty() {
            updates.close();
        }
    }
}
