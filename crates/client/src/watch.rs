//! A watch that resumes by itself.

use futures::Stream;
use futures::stream::unfold;
use gamemesh_contracts::state::v1 as pb;
use tokio::time::Instant;
use tonic::Streaming;

use crate::instances::{Place, Tried, hash};
use crate::retry::back_off;
use crate::send::{Shared, Stub};
use crate::{Client, Error, Result};

/// Changes as they become durable. It ends only with an error: the request was refused, its token
/// is not valid any more, or the server stayed away for longer than
/// [`watch_gives_up_after`](crate::RetryOptions::watch_gives_up_after).
#[derive(Debug)]
pub struct Watch {
    client: Client,
    /// The token in it moves on with every message.
    request: pb::WatchAggregatesRequest,
    place: Place,
    /// The stream, and the instance that it comes from.
    open: Option<(Streaming<pb::WatchAggregatesResponse>, usize)>,
    trouble: Option<Trouble>,
}

/// Attempts since the last message.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    attempts: u32,
}

impl Watch {
    pub(crate) fn new(client: Client, request: pb::WatchAggregatesRequest) -> Self {
        let one = !request.id.is_empty();
        let about = one.then(|| hash(&[&request.r#type, &request.id]));
        let place = client.shared.instances.place(about);
        Self { client, request, place, open: None, trouble: None }
    }

    /// The token from which another watch would go on after the messages that this one gave.
    pub fn resume_token(&self) -> &str {
        &self.request.resume_token
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<pb::WatchAggregatesResponse> {
        loop {
            let failed = match self.receive().await {
                Ok(message) => {
                    self.trouble = None;
                    if !message.resume_token.is_empty() {
                        self.request.resume_token.clone_from(&message.resume_token);
                    }
                    return Ok(message);
                }
                Err(error) => error,
            };
            self.open = None;
            self.pause_after(failed).await?;
        }
    }

    /// The messages as a stream, which ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<pb::WatchAggregatesResponse>> + Send {
        unfold(Some(self), async |watch| {
            let mut watch = watch?;
            match watch.next().await {
                Ok(message) => Some((Ok(message), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn receive(&mut self) -> Result<pb::WatchAggregatesResponse> {
        let (stream, at) = match &mut self.open {
            Some(open) => open,
            closed => {
                let send = async |mut stub: Stub, request| stub.watch_aggregates(request).await;
                let opened = self.client.open(self.place, self.request.clone(), send).await?;
                closed.insert(opened)
            }
        };
        let failed = match stream.message().await {
            Ok(Some(message)) => return Ok(message),
            // A watch has no end of its own.
            Ok(None) => Error::unreachable("the server ended the watch"),
            Err(status) => Error::from(status),
        };
        Err(self.client.failed(*at, failed))
    }

    /// Waits before the next attempt, or gives up.
    async fn pause_after(&mut self, error: Error) -> Result<()> {
        let Shared { instances, options, .. } = &*self.client.shared;
        let retry = &options.retry;
        let trouble =
            self.trouble.get_or_insert_with(|| Trouble { since: Instant::now(), attempts: 0 });
        trouble.attempts += 1;
        if !error.is_transient() || trouble.since.elapsed() >= retry.watch_gives_up_after {
            return Err(error);
        }
        // The one that is gone rests: each is left at most once before there is no other.
        if error.is_gone() && instances.has_other(Tried::default()) {
            return Ok(());
        }
        let pause = back_off(retry, trouble.attempts, rand::random());
        tokio::time::sleep(pause.max(error.retry_after.unwrap_or_default())).await;
        Ok(())
    }
}
