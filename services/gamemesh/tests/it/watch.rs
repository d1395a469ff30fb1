//! Watches that break and go on.

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_client::v1::watch_aggregates_response::Message;
use gamemesh_client::{Client, v1};
use gamemesh_testkit::World;

const WRITES: i64 = 60;

#[tokio::test]
async fn a_watcher_that_is_cut_off_after_every_message_sees_each_change_once_in_order() {
    let world = World::standalone().await.unwrap();
    let client = world.client().await.unwrap();
    for n in 0..3 {
        increment(&client, n).await;
    }
    let request = v1::WatchAggregatesRequest { r#type: "world".into(), ..Default::default() };
    let mut watch = client.watch(request.clone());
    let mut seen = Seen::default();
    while !seen.begun {
        seen.take(watch.next().await.unwrap());
    }
    assert_eq!(seen.versions.len(), 3);
    let mut token = watch.resume_token().to_owned();
    assert!(!token.is_empty(), "a watch that began can be resumed");
    drop(watch);

    let writer = tokio::spawn({
        let client = client.clone();
        async move {
            for n in 0..WRITES {
                increment(&client, n % 3).await;
            }
        }
    });
    while !seen.is_complete() {
        // A new connection and a new stream for each message.
        let client = world.client().await.unwrap();
        let mut watch =
            client.watch(v1::WatchAggregatesRequest { resume_token: token, ..request.clone() });
        let message = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap();
        seen.take(message.unwrap());
        token = watch.resume_token().to_owned();
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_watch_of_the_client_goes_on_over_the_death_of_the_server() {
    let mut world = World::standalone().await.unwrap();
    let client = world.client().await.unwrap();
    for n in 0..3 {
        increment(&client, n).await;
    }
    let watching = world.client().await.unwrap();
    let watcher = tokio::spawn(async move {
        let request = v1::WatchAggregatesRequest { r#type: "world".into(), ..Default::default() };
        let mut watch = watching.watch(request);
        let mut seen = Seen::default();
        while !seen.is_complete() {
            seen.take(watch.next().await.unwrap());
        }
    });
    for n in 0..WRITES {
        if n % 20 == 10 {
            world.kill9();
            world.start().await.unwrap();
        }
        // Retried by the client, under one idempotency key.
        increment(&client, n % 3).await;
    }
    tokio::time::timeout(Duration::from_secs(30), watcher).await.unwrap().unwrap();
}

/// What a watcher has seen.
#[derive(Default)]
struct Seen {
    begun: bool,
    versions: BTreeMap<String, i64>,
    position: i64,
}

impl Seen {
    fn take(&mut self, message: v1::WatchAggregatesResponse) {
        match message.message.unwrap() {
            Message::Present(aggregate) => {
                assert!(!self.begun, "a present state among the changes");
                self.versions.insert(aggregate.id, aggregate.version);
            }
            Message::Begun(_) => self.begun = true,
            Message::Change(change) => {
                let event = change.event.unwrap();
                let last = self.versions.insert(event.id.clone(), event.version).unwrap_or(0);
                assert_eq!(event.version, last + 1, "{}: a gap or a repetition", event.id);
                assert!(event.position > self.position, "out of order");
                self.position = event.position;
                assert_eq!(change.aggregate.unwrap().version, event.version);
            }
            Message::Checkpoint(_) => {}
        }
    }

    /// Each of the three has its first state and a third of the writes.
    fn is_complete(&self) -> bool {
        self.versions.len() == 3 && self.versions.values().all(|v| *v == 1 + WRITES / 3)
    }
}

async fn increment(client: &Client, n: i64) {
    use v1::operation::Kind;
    let increment = v1::IncrementOperation { path: "count".into(), by: 1.0, ..Default::default() };
    let operation = v1::Operation { kind: Some(Kind::Increment(increment)) };
    let update = v1::UpdateAggregateRequest {
        r#type: "world".into(),
        id: format!("w{n}"),
        change: Some(v1::update_aggregate_request::Change::Operations(v1::Operations {
            operations: vec![operation],
        })),
        create_missing: true,
        ..Default::default()
    };
    client.update_aggregate(update).await.unwrap();
}
