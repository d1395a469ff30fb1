//! A watch that a test follows.

use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use pb::watch_aggregates_response::Message;
use tonic::{Status, Streaming};

use super::world::Client;

/// A message that is due comes within this time.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Watcher {
    stream: Streaming<pb::WatchAggregatesResponse>,
    /// Of the last message that had one.
    pub(super) token: String,
}

/// What identifies a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) position: i64,
    pub(super) id: String,
    pub(super) version: i64,
}

pub(super) fn scope(aggregate_type: &str, id: &str) -> pb::WatchAggregatesRequest {
    pb::WatchAggregatesRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        ..Default::default()
    }
}

impl Watcher {
    pub(super) async fn open(
        client: &Client,
        request: pb::WatchAggregatesRequest,
    ) -> Result<Self, Status> {
        let token = request.resume_token.clone();
        let stream = client.clone().watch_aggregates(request).await?.into_inner();
        Ok(Self { stream, token })
    }

    /// Opens a watch and reads up to where changes follow; answers what was present.
    pub(super) async fn begun(
        client: &Client,
        request: pb::WatchAggregatesRequest,
    ) -> (Self, Vec<pb::Aggregate>) {
        let mut watcher = Self::open(client, request).await.unwrap();
        let mut present = Vec::new();
        loop {
            match watcher.next().await.unwrap() {
                Message::Present(aggregate) => present.push(aggregate),
                Message::Begun(_) => return (watcher, present),
                other => panic!("{other:?} before the watch began"),
            }
        }
    }

    pub(super) async fn next(&mut self) -> Result<Message, Status> {
        let next = tokio::time::timeout(MESSAGE_TIMEOUT, self.stream.message()).await;
        let message = next.expect("no message came")?.expect("a watch does not end by itself");
        if !message.resume_token.is_empty() {
            self.token = message.resume_token;
        }
        Ok(message.message.unwrap())
    }

    /// The next change; checkpoints are passed over.
    pub(super) async fn change(&mut self) -> Result<pb::WatchedChange, Status> {
        let due = async {
            loop {
                match self.next().await? {
                    Message::Change(change) => return Ok(change),
                    Message::Checkpoint(_) => {}
                    other => panic!("{other:?} among the changes"),
                }
            }
        };
        tokio::time::timeout(MESSAGE_TIMEOUT, due).await.expect("only checkpoints came")
    }
}

impl From<&pb::AggregateEvent> for Change {
    fn from(event: &pb::AggregateEvent) -> Self {
        Self { position: event.position, id: event.id.clone(), version: event.version }
    }
}

/// Every event of one aggregate, oldest first.
pub(super) async fn history(
    client: &Client,
    aggregate_type: &str,
    id: &str,
) -> Vec<pb::AggregateEvent> {
    let mut request = pb::ListEventsRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        limit: 10_000,
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        let page = client.clone().list_events(request.clone()).await.unwrap().into_inner();
        events.extend(page.events);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return events;
        }
    }
}
