//! One aggregate that everybody writes.

use std::sync::atomic::{AtomicBool, Ordering};

use gamemesh_client::Client;
use gamemesh_testkit::World;

use crate::it::ledger::{assert_gone, client, count_up, number_of, strong};

const ID: &str = "hot";

/// Who has added how much.
#[derive(Default)]
pub(super) struct Hot {
    client: Option<Client>,
    name: String,
    acknowledged: u32,
    /// Keys of additions to which no answer came.
    in_doubt: Vec<String>,
}

impl Hot {
    pub(super) fn open(world: &World, name: &str) -> Self {
        Self { client: Some(client(world)), name: name.to_owned(), ..Self::default() }
    }

    /// Adds one, again and again, until an addition fails or `stop` is set.
    pub(super) async fn write_until(&mut self, stop: &AtomicBool) {
        let client = self.client.take().unwrap();
        while !stop.load(Ordering::Relaxed) {
            let key = format!("hot-{}-{}", self.name, self.acknowledged);
            match client.update_aggregate(count_up(ID, &key)).await {
                Ok(_) => self.acknowledged += 1,
                Err(error) => {
                    assert_gone(&error);
                    return self.in_doubt.push(key);
                }
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.in_doubt.extend(other.in_doubt);
    }

    /// Sends again what is in doubt, under its key: then it is there once.
    pub(super) async fn settle(&mut self, world: &World) {
        let client = world.client().await.unwrap();
        for key in self.in_doubt.drain(..) {
            client.update_aggregate(count_up(ID, &key)).await.unwrap();
            self.acknowledged += 1;
        }
    }

    /// Every addition is there once, at any instance.
    pub(super) async fn check(&self, world: &World) {
        let client = world.client().await.unwrap();
        let answer = client.get_aggregate(strong("world", ID)).await.unwrap();
        let aggregate = answer.aggregate.unwrap();
        let count = number_of(&aggregate.state.as_ref().unwrap().fields["count"]);
        assert_eq!(count, f64::from(self.acknowledged), "additions are lost or doubled");
        assert_eq!(aggregate.version, i64::from(self.acknowledged));
    }
}
