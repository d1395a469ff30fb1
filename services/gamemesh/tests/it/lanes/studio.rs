//! Three instances that share the lanes out, with callers authenticated.

use gamemesh_repository::StreamName;
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{World, cli, http};
use serde_json::Value;

use super::{LANES, owners, settled};

const CORRELATION: &str = "one-for-all-calls";
const SECRET: &str = "a secret that all instances share, of some length";

/// Three instances, the token of a game server, and the lanes in the order of their owners.
pub(super) struct Studio {
    pub(super) worlds: Vec<World>,
    /// Of an administrator.
    pub(super) token: String,
    player_token: String,
    _postgres: Postgres,
}

impl Studio {
    pub(super) async fn open() -> Self {
        let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
        let mut worlds = Vec::new();
        for _ in 0..3 {
            let builder = World::builder()
                .services("state")
                .database_url(postgres.url())
                .env("POSTGRES_MAX_CONNS", "12")
                .env("JWT_SECRET", SECRET)
                // With a lease that does not end here.
                .env("LANES", "owned")
                // A call that is passed on must not be counted where it comes to.
                .env("RATE_LIMIT_SERVER_WRITE", "100000");
            let mut world = builder.build().unwrap();
            world.start().await.unwrap();
            worlds.push(world);
        }
        settled(&worlds[0], worlds.len()).await;
        let token = token(&["--role", "admin"]);
        let player_token = token_of_player();
        Self { worlds, token, player_token, _postgres: postgres }
    }

    /// The instance that owns the lane of an aggregate.
    pub(super) fn owner_of(&self, kind: &str, id: &str) -> usize {
        let lane = StreamName::new(kind, id).lane(LANES);
        let owner = owners(&self.worlds[0])[usize::from(lane.0)].owner.clone().unwrap();
        self.worlds.iter().position(|world| world.address() == owner).unwrap()
    }

    /// Ids that begin so, one whose lane the instance owns and one whose lane it does not.
    pub(super) fn ids(&self, kind: &str, begin: &str, instance: usize) -> (String, String) {
        let lanes = owners(&self.worlds[0]);
        let is_own = |id: &String| {
            let lane = StreamName::new(kind, id).lane(LANES);
            lanes[usize::from(lane.0)].owner.as_deref() == Some(&*self.worlds[instance].address())
        };
        // Of the same length, so that nothing but the name tells them apart.
        let mut ids = (100..).map(|n| format!("{begin}-{n}"));
        let own = ids.find(is_own).unwrap();
        (own, ids.find(|id| !is_own(id)).unwrap())
    }

    pub(super) async fn call(
        &self,
        at: usize,
        method: &str,
        path: &str,
        call: &Call,
    ) -> http::Answer {
        let mut request = ::http::Request::builder().method(method).uri(path);
        let token = if call.as_player { &self.player_token } else { &self.token };
        if !call.anonymous {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &call.headers {
            request = request.header(*name, *value);
        }
        // It stands in the events that are written.
        request = request.header("x-correlation-id", CORRELATION);
        request = request.header("content-type", "application/json");
        let body = if call.body.is_null() { String::new() } else { call.body.to_string() };
        http::send(&self.worlds[at].address(), request, body).await.unwrap()
    }

    /// Calls that this instance has passed on and that were answered.
    pub(super) async fn passed_on(&self, at: usize) -> u64 {
        let text = http::get(&self.worlds[at].address(), "/metrics").await.unwrap().text();
        let lines = text.lines().filter(|line| line.starts_with("gamemesh_lanes_calls_passed_on"));
        let answered = lines.filter(|line| line.contains("answered") || line.contains("refused"));
        answered.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

/// A token of this role.
fn token(arguments: &[&str]) -> String {
    let all = [&["token", "--jwt-secret", SECRET], arguments].concat();
    let ran = cli::run(&all).unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    ran.stdout.trim().to_owned()
}

fn token_of_player() -> String {
    token(&["--role", "player", "--player-id", "p"])
}

/// A request.
#[derive(Default)]
pub(super) struct Call {
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Value,
    pub(super) anonymous: bool,
    pub(super) as_player: bool,
}

pub(super) fn call(body: Value) -> Call {
    Call { body, ..Call::default() }
}

pub(super) fn with(headers: &[(&'static str, &'static str)], body: Value) -> Call {
    Call { headers: headers.to_vec(), body, ..Call::default() }
}
