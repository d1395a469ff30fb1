//! A watcher of everything, from an empty store on: each position is the last plus one, each version
//! too.

use std::collections::BTreeMap;

use gamemesh_client::v1::watch_aggregates_response::Message;
use gamemesh_client::{Client, v1};
use gamemesh_testkit::World;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::PATIENCE;

/// The version that each aggregate has reached.
type Versions = BTreeMap<String, i64>;

pub(crate) struct Observer {
    seen: watch::Receiver<Versions>,
    watching: JoinHandle<()>,
}

impl Observer {
    /// Returns when the watch has begun: the store is still empty then.
    pub(crate) async fn on(world: &World) -> Self {
        let (sender, mut seen) = watch::channel(Versions::new());
        let watching = tokio::spawn(observe(world.client().await.unwrap(), sender));
        seen.changed().await.unwrap();
        Self { seen, watching }
    }

    /// Waits until these versions have been seen.
    pub(crate) async fn sees(&mut self, expected: &Versions) {
        let all = |seen: &Versions| {
            expected.iter().all(|(id, version)| seen.get(id).is_some_and(|seen| seen >= version))
        };
        let reached = tokio::time::timeout(PATIENCE, self.seen.wait_for(all)).await;
        match reached.map(|seen| seen.map(|seen| seen.clone())) {
            Ok(Ok(seen)) => assert_eq!(seen, *expected, "more was seen than written"),
            Ok(Err(_)) => (&mut self.watching).await.unwrap(),
            Err(_) => panic!("{expected:?} was written, {:?} seen", *self.seen.borrow()),
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

async fn observe(client: Client, seen: watch::Sender<Versions>) {
    let mut watch = client.watch(v1::WatchAggregatesRequest::default());
    let mut positions = BTreeMap::new();
    loop {
        let event = match watch.next().await.unwrap().message {
            Some(Message::Change(change)) => change.event.unwrap(),
            Some(Message::Present(aggregate)) => panic!("{} is there already", aggregate.id),
            Some(Message::Begun(_)) => {
                seen.send_modify(|_| {});
                continue;
            }
            _ => continue,
        };
        let last: &mut i64 = positions.entry(event.lane).or_default();
        assert_eq!(event.position, *last + 1, "lane {}: a gap or a repetition", event.lane);
        *last = event.position;
        seen.send_modify(|versions| {
            let last = versions.entry(event.id.clone()).or_default();
            assert_eq!(event.version, *last + 1, "{}: a gap or a repetition", event.id);
            *last = event.version;
        });
    }
}
