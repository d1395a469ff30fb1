//! The groups of one stream: what was read, what is being made, what has been answered.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gamemesh_contracts::state::v1::{StreamUpdatesRequest, StreamUpdatesResponse};
use gamemesh_domain::{Code, Error, Result};
use tokio::task::{JoinError, JoinHandle};
use tonic::Status;

use super::Answer;
use super::order::{Aggregates, Group, Order};
use crate::rpc::batch_update_aggregates::UPDATES_MAX;
use crate::rpc::forwarding::Updater;

/// Groups that are made at once: while one is on its way to the disk, the next is decided.
const AT_ONCE: usize = 2;

pub(super) struct Groups {
    updater: Arc<Updater>,
    order: Order,
    /// Tasks of their own: what they have sent to the log is to be shown as soon as it is durable, even
    /// while nobody reads the answers.
    under_way: FuturesUnordered<JoinHandle<Done>>,
}

pub(super) struct Done {
    answers: Vec<StreamUpdatesResponse>,
    aggregates: Aggregates,
}

impl Groups {
    pub(super) fn new(updater: Updater) -> Self {
        Self {
            updater: Arc::new(updater),
            order: Order::default(),
            under_way: FuturesUnordered::new(),
        }
    }

    /// Whether what waits is as much as is to wait.
    pub(super) fn are_full(&self) -> bool {
        self.order.waiting() >= UPDATES_MAX
    }

    /// Whether all that was read is answered.
    pub(super) fn are_done(&self) -> bool {
        self.under_way.is_empty() && self.order.waiting() == 0
    }

    /// Takes what has arrived. Says with what the stream is to end, if it is.
    pub(super) fn read(
        &mut self,
        arrived: Vec<Result<StreamUpdatesRequest, Status>>,
    ) -> Option<Vec<Answer>> {
        for request in arrived {
            match request {
                Ok(StreamUpdatesRequest { sequence, update: Some(update) }) => {
                    self.order.push(sequence, update);
                }
                Ok(StreamUpdatesRequest { update: None, .. }) => {
                    let what = "update: every message carries an update";
                    let error = Error::new(Code::InvalidArgument, what);
                    return Some(vec![Err(error.with_field("update", "is required"))]);
                }
                // The caller went away or broke the protocol.
                Err(status) => {
                    tracing::debug!(%status, "a stream of updates broke off");
                    return Some(Vec::new());
                }
            }
        }
        None
    }

    /// Begins what may begin.
    pub(super) fn begin(&mut self) {
        if self.under_way.len() >= AT_ONCE {
            return;
        }
        let Some(Group { sequences, requests, aggregates }) = self.order.begin() else { return };
        let updater = self.updater.clone();
        self.under_way.push(tokio::spawn(async move {
            let results = updater.outcomes(requests).await;
            let answer =
                |(sequence, result)| StreamUpdatesResponse { sequence, result: Some(result) };
            Done { answers: sequences.into_iter().zip(results).map(answer).collect(), aggregates }
        }));
    }

    /// The next group that is done; pends while none is under way.
    pub(super) async fn next_done(&mut self) -> Result<Done, JoinError> {
        match self.under_way.next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Its answers. What waited for it may begin.
    pub(super) fn answered(&mut self, done: Done) -> Vec<Answer> {
        self.order.done(done.aggregates);
        done.answers.into_iter().map(Ok).collect()
    }
}
