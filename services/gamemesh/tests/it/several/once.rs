//! Documents that are written once: what is lost of them, no later write makes good.

use std::sync::atomic::{AtomicBool, Ordering};

use gamemesh_client::Client;
use gamemesh_testkit::World;

use crate::it::ledger::{assert_gone, client, count_up};

/// Makes one document after the other.
pub(super) struct Once {
    client: Client,
    name: String,
}

impl Once {
    pub(super) fn open(world: &World, name: &str) -> Self {
        Self { client: client(world), name: name.to_owned() }
    }

    /// Until a write fails or `stop` is set. What became of the last one, the watcher knows.
    pub(super) async fn write_until(&self, stop: &AtomicBool) {
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let id = format!("once-{}-{n}", self.name);
            if let Err(error) = self.client.update_aggregate(count_up(&id, &id)).await {
                return assert_gone(&error);
            }
        }
    }
}
