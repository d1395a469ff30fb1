//! A watch that resumes by itself.

use futures::Stream;
use futures::stream::unfold;
use gamemesh_contracts::state::v1 as pb;
use tokio::time::Instant;
use tonic::Streaming;

use crate::retry::back_off;
use crate::{Client, Error, Result};

/// Changes as they become durable. It ends only with an error: the request was refused, its token
/// is not valid any more, or the server stayed away for longer than
/// [`watch_gives_up_after`](crate::RetryOptions::watch_gives_up_after).
#[derive(Debug)]
pub struct Watch {
    client: Client,
    /// The token in it moves on with every message.
    request: pb::WatchAggregatesRequest,
    open: Option<Streaming<pb::WatchAggregatesResponse>>,
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
        Self { client, request, open: None, trouble: None }
    }

    /// The token from which another watch would go on after the messages that this one gave.
    pub fn resume_token(&self) -> &str {
        &self.request.resume_token
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<pb::WatchAggregatesResponse> {
        loop {
            let failed = match self.receive().await {
                Ok(Some(message)) => {
                    self.trouble = None;
                    if !message.resume_token.is_empty() {
                        self.request.resume_token.clone_from(&message.resume_token);
                    }
                    return Ok(message);
                }
                // A server that drains ends its streams without an error.
                Ok(None) => Error::unreachable("the server ended the watch"),
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

    async fn receive(&mut self) -> Result<Option<pb::WatchAggregatesResponse>> {
        let stream = match &mut self.open {
            Some(stream) => stream,
            closed => closed.insert(self.client.open_watch(self.request.clone()).await?),
        };
        Ok(stream.message().await?)
    }

    /// Waits before the next attempt, or gives up.
    async fn pause_after(&mut self, error: Error) -> Result<()> {
        let retry = &self.client.options().retry;
        let trouble =
            self.trouble.get_or_insert_with(|| Trouble { since: Instant::now(), attempts: 0 });
        trouble.attempts += 1;
        if !error.is_transient() || trouble.since.elapsed() >= retry.watch_gives_up_after {
            return Err(error);
        }
        let pause = back_off(retry, trouble.attempts, rand::random());
        tokio::time::sleep(pause.max(error.retry_after.unwrap_or_default())).await;
        Ok(())
    }
}
