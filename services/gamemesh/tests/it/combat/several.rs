//! Two instances on one PostgreSQL: either is called, one owns a session, and when it hangs the other
//! takes the session up from its log.

mod doors;
mod leaver;
mod sleeper;

use gamemesh_repository::StreamName;
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use serde_json::json;

use super::{rest, until};
use crate::it::lanes::OWNED;

/// Lanes of a store that did not choose.
const LANES: u16 = 4;

/// Two instances and their database.
pub(super) struct Pair {
    pub(super) worlds: [World; 2],
    _postgres: Postgres,
}

impl Pair {
    pub(super) async fn start(settings: &[(&str, &str)]) -> Self {
        let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
        let world = || {
            let builder = World::builder()
                .services("combat")
                .database_url(postgres.url())
                .env("POSTGRES_MAX_CONNS", "12");
            let set = OWNED.iter().chain(settings);
            set.fold(builder, |builder, (key, value)| builder.env(key, *value)).build().unwrap()
        };
        let mut worlds = [world(), world()];
        for world in &mut worlds {
            world.start().await.unwrap();
        }
        let pair = Self { worlds, _postgres: postgres };
        pair.settled().await;
        pair
    }

    /// Waits until each instance has lanes.
    async fn settled(&self) {
        until("each has lanes", async || {
            let owners = self.owners();
            owners.iter().all(Option::is_some) && owners.iter().any(|owner| *owner != owners[0])
        })
        .await;
    }

    /// The address of the owner of each lane.
    fn owners(&self) -> Vec<Option<String>> {
        let ran = self.worlds[1].cli(&["--json", "log", "stats", "--log", "combat"]).unwrap();
        assert_eq!(ran.exit, 0, "{ran:?}");
        let lanes = ran.json()["lanes"].as_array().unwrap().clone();
        lanes.iter().map(|lane| lane["owner"].as_str().map(str::to_owned)).collect()
    }

    /// A name of a session that an instance owns.
    fn name_at(&self, at: usize) -> String {
        let owners = self.owners();
        let address = Some(self.worlds[at].address());
        (0..)
            .map(|n| format!("match-{at}-{n}"))
            .find(|name| {
                owners[usize::from(StreamName::new("combat", name).lane(LANES).0)] == address
            })
            .unwrap()
    }

    /// A session that the first instance owns, created at the second one.
    pub(super) async fn session(&self, token: &str) -> String {
        rest::create_as(&self.worlds[1], token, json!({"sessionId": self.name_at(0)})).await
    }
}
