//! Writers and readers at several instances, and what each read must not be older than.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_contracts::common::v1::{Consistency, Tier};
use gamemesh_contracts::state::v1 as pb;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::liar::Manner;
use super::{TYPE, write};
use crate::it::world::{Client, World};

const AGGREGATES: usize = 12;
const CLIENTS: usize = 6;
const BOUND: Duration = Duration::from_millis(40);

/// Calls of each client in one round.
fn calls() -> usize {
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS").ok().and_then(|n| n.parse().ok());
    20 * rounds.unwrap_or(1)
}

/// What has been acknowledged.
#[derive(Clone)]
pub(super) struct Promises(Arc<Vec<Mutex<Aggregate>>>);

struct Aggregate {
    /// By whomever, oldest first: when, and the version.
    acknowledged: Vec<(Instant, i64)>,
    /// The newest by each instance.
    by: Vec<i64>,
    /// The newest token, and the version that it stands for.
    token: (String, i64),
}

impl Aggregate {
    /// The newest version that had been acknowledged at a time.
    fn before(&self, time: Instant) -> i64 {
        let old = self.acknowledged.iter().rev().find(|(then, _)| *then <= time);
        old.map_or(0, |(_, version)| *version)
    }
}

impl Promises {
    pub(super) fn new(instances: usize) -> Self {
        let aggregate = || {
            let acknowledged = vec![(Instant::now(), 0)];
            Mutex::new(Aggregate {
                acknowledged,
                by: vec![0; instances],
                token: Default::default(),
            })
        };
        Self(Arc::new((0..AGGREGATES).map(|_| aggregate()).collect()))
    }

    /// A round of calls at all instances.
    pub(super) async fn keep(&self, worlds: &[World], manner: Manner) {
        let seed: u64 = rand::random();
        let mut clients = Vec::new();
        for n in 0..CLIENTS {
            let at = n % worlds.len();
            let one = One { client: worlds[at].client().await, at, promises: self.clone() };
            let what = format!("{manner:?}, client {n}, seed {seed}");
            let rng = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
            clients.push(tokio::spawn(one.run(rng, what)));
        }
        let mut shared = 0;
        for client in clients {
            shared += client.await.unwrap();
        }
        // How often an honest one is of use depends on what is evicted when; that it is, others show.
        if matches!(manner, Manner::Away | Manner::Hanging) {
            assert_eq!(shared, 0, "{manner:?}");
        }
    }

    /// Something was acknowledged by an instance.
    fn acknowledged(&self, id: usize, at: usize, version: i64, token: String) {
        let mut aggregate = self.0[id].lock();
        aggregate.by[at] = aggregate.by[at].max(version);
        if version > aggregate.token.1 {
            aggregate.token = (token, version);
            aggregate.acknowledged.push((Instant::now(), version));
        }
    }

    /// What is asked next, and the version that the answer must not be older than.
    fn ask(&self, id: usize, at: usize, rng: &mut StdRng) -> (pb::GetAggregateRequest, i64) {
        let aggregate = self.0[id].lock();
        let newest = aggregate.token.1;
        let (how, token, least) = match rng.random_range(0..4) {
            0 => (Consistency::Strong, String::new(), newest),
            1 => (Consistency::AtLeast, aggregate.token.0.clone(), newest),
            2 => (Consistency::AtLeast, String::new(), aggregate.by[at]),
            _ => {
                let least = aggregate.before(Instant::now() - BOUND);
                (Consistency::Bounded, String::new(), least)
            }
        };
        let bound = prost_types::Duration::try_from(BOUND).unwrap();
        let request = pb::GetAggregateRequest {
            r#type: TYPE.to_owned(),
            id: id.to_string(),
            consistency: how.into(),
            token,
            max_age: (how == Consistency::Bounded).then_some(bound),
            ..Default::default()
        };
        (request, least)
    }
}

/// One client at one instance.
struct One {
    client: Client,
    at: usize,
    promises: Promises,
}

impl One {
    /// Answers how many reads the shared cache has answered.
    async fn run(mut self, mut rng: StdRng, what: String) -> usize {
        let mut shared = 0;
        for call in 0..calls() {
            let id = rng.random_range(0..AGGREGATES);
            if rng.random_bool(0.3) {
                let (version, token) = write(&self.client, &id.to_string()).await;
                self.promises.acknowledged(id, self.at, version, token);
                continue;
            }
            let (request, least) = self.promises.ask(id, self.at, &mut rng);
            let sent = Instant::now();
            let asked = format!("{what}, call {call}: {request:?}");
            let freshness = match self.client.get_aggregate(request).await {
                Ok(answer) => answer.into_inner().freshness.unwrap(),
                Err(status) if status.code() == tonic::Code::NotFound => {
                    assert_eq!(least, 0, "{asked}: {status:?}");
                    continue;
                }
                Err(status) => panic!("{asked}: {status:?}"),
            };
            assert!(freshness.version >= least, "{asked}: {} of {least}", freshness.version);
            // Of whatever kind the read was, its age is the truth.
            // An instance that has not looked at the lane yet claims none.
            if let Some(age) = freshness.age {
                let age = Duration::try_from(age).unwrap();
                let least = self.promises.0[id].lock().before(sent - age);
                assert!(freshness.version >= least, "{asked}: {freshness:?} at least {least}");
            }
            shared += usize::from(freshness.tier() == Tier::L2);
        }
        shared
    }
}
