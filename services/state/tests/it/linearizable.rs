//! Histories of single aggregates under concurrency, judged by a checker.

mod register;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gamemesh_contracts::common::v1::Consistency;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::clock::Clock;
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use todc_utils::linearizability::history::Action;
use tonic::Status;

use self::register::{Operation, Recorder, Seen, is_linearizable};
use super::calls::{self, fact, incremented, operations, reason, set};
use super::documents::number;
use super::world::{Client, World};

const CLIENTS: usize = 8;
const AGGREGATES: usize = 3;
const OPERATIONS: usize = 60;
const TYPE: &str = "economy";
const PATH: &str = "balances.gold";

/// Runs of this process: each has aggregates of its own, also on a store that runs share.
static RUNS: AtomicU32 = AtomicU32::new(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_one_aggregate_are_linearizable() {
    run(vec![World::new().await]).await;
}

/// Room for about one aggregate: what a write leaves in the cache is gone before the next looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_are_linearizable_also_when_nothing_stays_in_the_cache() {
    run(vec![World::with(without_cache(), Clock::system()).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_over_three_instances_are_linearizable() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let config = StateConfig::default;
    for config in [[config(), config(), config()], [config(), without_cache(), without_cache()]] {
        let mut worlds = Vec::new();
        for config in config {
            worlds.push(World::on(postgres.url(), config).await);
        }
        run(worlds).await;
    }
}

fn without_cache() -> StateConfig {
    StateConfig { cache_bytes_max: 1_600, cache_entries: 1, ..StateConfig::default() }
}

/// Clients at all of these instances of one store. Beside other instances only a strong read promises
/// to see what they have acknowledged.
async fn run(worlds: Vec<World>) {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let only_strong = worlds.len() > 1;
    let recorders: Vec<_> = (0..AGGREGATES).map(|_| Recorder::default()).collect();
    let recorders = Arc::new(recorders);
    let seed: u64 = rand::random();
    let mut clients = Vec::new();
    for process in 0..CLIENTS {
        let client = worlds[process % worlds.len()].client().await;
        let recorders = recorders.clone();
        clients.push(tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(process as u64));
            let mut one =
                One { client, run, only_strong, token: String::new(), known: [0; AGGREGATES] };
            for _ in 0..OPERATIONS {
                let at = rng.random_range(0..AGGREGATES);
                let call = one.operation(at, &mut rng);
                recorders[at].record(process, call).await;
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    for (at, recorder) in Arc::into_inner(recorders).unwrap().into_iter().enumerate() {
        let actions = recorder.take();
        judge(at, actions, seed);
    }
}

/// The history is linearizable, and would not be if its last read had seen what its first one saw.
fn judge(at: usize, actions: Vec<(usize, Action<Operation>)>, seed: u64) {
    assert!(
        is_linearizable(actions.clone()),
        "no order explains aggregate {at}, seed {seed}: {actions:#?}"
    );
    let mut stale = actions;
    let mut reads: Vec<&mut Seen> = stale
        .iter_mut()
        .filter_map(|(_, action)| match action {
            Action::Response(Operation::Read(Some(seen))) => Some(seen),
            _ => None,
        })
        .collect();
    let (first, last) = (*reads[0], reads.pop().unwrap());
    assert!(first.version + 10 < last.version, "little happened to aggregate {at}, seed {seed}");
    *last = first;
    assert!(!is_linearizable(stale), "the checker accepts a stale read; seed {seed}");
}

/// One client, and what it has seen.
struct One {
    client: Client,
    run: u32,
    only_strong: bool,
    token: String,
    known: [i64; AGGREGATES],
}

impl One {
    async fn operation(&mut self, at: usize, rng: &mut StdRng) -> Operation {
        let id = format!("register-{}-{at}", self.run);
        match rng.random_range(0..12) {
            0..5 => self.read(at, &id, rng.random_range(0..3)).await,
            5..8 => self.increment(at, &id, rng.random_range(1..9)).await,
            8..10 => self.swap(at, &id, rng.random_range(0..1_000)).await,
            10 => self.create(&id, rng.random_range(0..1_000)).await,
            _ => self.delete(&id).await,
        }
    }

    async fn read(&mut self, at: usize, id: &str, how: u32) -> Operation {
        let (consistency, token) = match how {
            _ if self.only_strong => (Consistency::Strong, String::new()),
            0 => (Consistency::Strong, String::new()),
            1 => (Consistency::AtLeast, self.token.clone()),
            _ => (Consistency::Unspecified, String::new()),
        };
        let request = pb::GetAggregateRequest {
            r#type: TYPE.to_owned(),
            id: id.to_owned(),
            consistency: consistency.into(),
            token,
            ..Default::default()
        };
        Operation::Read(match self.client.clone().get_aggregate(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                self.token = answer.freshness.unwrap().token;
                let seen = seen(&answer.aggregate.unwrap());
                self.known[at] = seen.version;
                Some(seen)
            }
            Err(status) => absent(&status),
        })
    }

    async fn increment(&mut self, at: usize, id: &str, by: i64) -> Operation {
        let request = operations(TYPE, id, vec![incremented(PATH, by as f64)]);
        let answer = match calls::update(&self.client, request).await {
            Ok(answer) => {
                self.token = answer.write.unwrap().token;
                let seen = seen(&answer.aggregate.unwrap());
                self.known[at] = seen.version;
                Some(seen)
            }
            Err(status) => absent(&status),
        };
        Operation::Increment { by, answer }
    }

    async fn swap(&mut self, at: usize, id: &str, value: i64) -> Operation {
        let expected = self.known[at].max(1);
        let request = pb::UpdateAggregateRequest {
            expected_version: Some(expected),
            create_missing: true,
            ..operations(TYPE, id, vec![set(PATH, &json!(value))])
        };
        let answer = match calls::update(&self.client, request).await {
            Ok(answer) => Ok(answer.write.unwrap().version),
            Err(status) => Err(actual(&status, "VERSION_CONFLICT")),
        };
        self.known[at] = answer.unwrap_or_else(|actual| actual);
        Operation::Swap { expected, value, answer }
    }

    async fn create(&mut self, id: &str, value: i64) -> Operation {
        let state = json!({"balances": {"gold": value}});
        let answer = match calls::create(&self.client, TYPE, id, &state).await {
            Ok(answer) => Ok(answer.write.unwrap().version),
            Err(status) => Err(actual(&status, "ALREADY_EXISTS")),
        };
        Operation::Create { value, answer }
    }

    async fn delete(&mut self, id: &str) -> Operation {
        let request = pb::DeleteAggregateRequest {
            r#type: TYPE.to_owned(),
            id: id.to_owned(),
            ..Default::default()
        };
        let answer = match self.client.clone().delete_aggregate(request).await {
            Ok(answer) => Some(answer.into_inner().write.unwrap().version),
            Err(status) => absent(&status),
        };
        Operation::Delete { answer }
    }
}

fn seen(aggregate: &pb::Aggregate) -> Seen {
    let value = number(aggregate.state.as_ref().unwrap(), &["balances", "gold"]);
    Seen { version: aggregate.version, value: value.unwrap() as i64 }
}

fn absent<T>(status: &Status) -> Option<T> {
    assert_eq!(reason(status), "NOT_FOUND", "{status:?}");
    None
}

/// The version that a refusal tells.
fn actual(status: &Status, expected: &str) -> i64 {
    assert_eq!(reason(status), expected, "{status:?}");
    fact(status, "actualVersion").unwrap().parse().unwrap()
}
