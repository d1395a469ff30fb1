//! A watcher who goes from instance to instance with his token.

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_client::v1::watch_aggregates_response::Message;
use gamemesh_client::{Client, ClientOptions, RetryOptions, v1};
use tokio::sync::watch;

use crate::it::ledger::{LAST_WORD, assert_gone};

/// The version of each aggregate.
pub(super) type Versions = BTreeMap<String, i64>;

/// Messages that he takes from one instance, if it lives so long.
const MESSAGES: usize = 40;

/// Follows all changes of one type until he has seen what was written; that is told before the last
/// word is. Each change comes once, and in order; the lanes do not wait for one another, so the last
/// word need not be the last that comes.
pub(super) async fn watch(urls: Vec<String>, written: watch::Receiver<Versions>) -> Versions {
    let mut versions = Versions::new();
    let mut positions = BTreeMap::new();
    let mut token = String::new();
    for url in urls.iter().cycle() {
        let request = v1::WatchAggregatesRequest {
            r#type: "world".into(),
            resume_token: token.clone(),
            ..Default::default()
        };
        let retry = RetryOptions { watch_gives_up_after: Duration::ZERO, ..RetryOptions::none() };
        let options = ClientOptions { retry, ..ClientOptions::default() };
        let mut watch = Client::lazy(url, options).unwrap().watch(request);
        for _ in 0..MESSAGES {
            let message = match watch.next().await {
                Ok(answer) => answer.message,
                Err(error) => {
                    assert_gone(&error);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    break;
                }
            };
            let event = match message {
                Some(Message::Change(change)) => change.event.unwrap(),
                Some(Message::Present(aggregate)) => {
                    versions.insert(aggregate.id, aggregate.version);
                    continue;
                }
                _ => continue,
            };
            if event.id != LAST_WORD {
                see(&mut versions, &mut positions, &event);
            }
            if covers(&versions, &written.borrow()) {
                return versions;
            }
        }
        watch.resume_token().clone_into(&mut token);
    }
    versions
}

/// Nothing is told to have been written before all of it has been.
fn covers(seen: &Versions, written: &Versions) -> bool {
    let is_seen = |(id, version): (&String, &i64)| seen.get(id).is_some_and(|seen| seen >= version);
    !written.is_empty() && written.iter().all(is_seen)
}

fn see(versions: &mut Versions, positions: &mut BTreeMap<i32, i64>, event: &v1::AggregateEvent) {
    let before = versions.insert(event.id.clone(), event.version).unwrap_or(0);
    assert_eq!(event.version, before + 1, "{}: a gap or a repetition", event.id);
    let position = positions.insert(event.lane, event.position).unwrap_or(0);
    assert!(event.position > position, "lane {} is out of order", event.lane);
}
