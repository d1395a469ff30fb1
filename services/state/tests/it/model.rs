//! Random operations of several clients on the service, each compared with a model that knows
//! neither log nor cache nor wire; then everything that can be read, before and after a restart.

mod audit;
mod choose;
mod oracle;
mod perform;
mod step;

use std::collections::BTreeMap;

use gamemesh_contracts::state::v1 as pb;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use self::oracle::{Oracle, VAULT};
use self::perform::{Part, perform};
use self::step::{Place, Step, What};
use super::documents::struct_of;
use super::world::{Client, World};

const CLIENTS: usize = 4;
const STEPS: usize = 220;

/// A seed to run again is given in `GAMEMESH_TEST_SEED`.
fn seed() -> u64 {
    let given = std::env::var("GAMEMESH_TEST_SEED").ok();
    given.map_or_else(rand::random, |seed| seed.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_come_to_what_the_model_says_also_after_a_restart() {
    let seed = seed();
    let mut world = World::new().await;
    let client = world.client().await;
    register_vault(&client).await;

    let mut players = Vec::new();
    for n in 0..CLIENTS {
        let client = world.client().await;
        let rng = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
        players.push(tokio::spawn(play(client, rng, n, seed)));
    }
    let mut oracles = Vec::new();
    for player in players {
        oracles.push(player.await.unwrap());
    }
    let mut rng = StdRng::seed_from_u64(seed);
    audit_all(&client, &mut rng, &oracles, seed).await;

    world.restart().await;
    let client = world.client().await;
    audit_all(&client, &mut rng, &oracles, seed).await;
    retried_after_the_restart(&client, &mut oracles, seed).await;
    let report = world.stores().log.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// One client, with aggregates of its own.
async fn play(client: Client, mut rng: StdRng, n: usize, seed: u64) -> Oracle {
    let mut oracle = Oracle::new();
    let places = choose::places(n);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for at in 0..STEPS {
        let step = choose::step(&mut rng, &oracle, &places);
        let what = format!("GAMEMESH_TEST_SEED={seed}, client {n}, step {at}: {step:?}");
        *reasons.entry(compare(&client, &mut oracle, &step, &what).await).or_default() += 1;
    }
    // A run in which nothing was refused, or nothing written, would prove nothing.
    for reason in ["written", "repeated", "VERSION_CONFLICT", "SCHEMA_VIOLATION", "NOT_FOUND"] {
        assert!(reasons.contains_key(reason), "no {reason} in {reasons:?}; {seed}");
    }
    oracle
}

/// Makes a step on both sides, and says what it came to.
async fn compare(client: &Client, oracle: &mut Oracle, step: &Step, what: &str) -> String {
    let actual = perform(client, step).await;
    let time_us = actual.as_ref().map_or(0, |observed| observed.time_us);
    let expected = oracle.perform(step, time_us);
    match (actual, expected) {
        (Ok(observed), Ok((written, repeated))) => {
            let tells_state = matches!(
                step.what,
                What::Create { .. } | What::Update { .. } | What::RollBack { .. }
            );
            let expected: Vec<_> = written
                .iter()
                .map(|part| Part {
                    version: part.version as i64,
                    state: tells_state.then(|| struct_of(&part.state)),
                })
                .collect();
            assert_eq!(observed.parts, expected, "{what}");
            assert_eq!(observed.repeated, repeated, "{what}");
            if repeated { "repeated" } else { "written" }.to_owned()
        }
        (Err(reason), Err(expected)) => {
            assert_eq!(reason, expected.code.reason(), "{what}: {expected:?}");
            reason
        }
        (actual, expected) => panic!("{what}\n{actual:?}\nbut the model says\n{expected:?}"),
    }
}

async fn audit_all(client: &Client, rng: &mut StdRng, oracles: &[Oracle], seed: u64) {
    eprintln!("GAMEMESH_TEST_SEED={seed}");
    for oracle in oracles {
        for (at, history) in &oracle.histories {
            audit::aggregate(client, rng, at, history).await;
        }
    }
    audit::lists(client, oracles).await;
    audit::global(client, oracles).await;
}

/// What was written before the restart is not written again after it.
async fn retried_after_the_restart(client: &Client, oracles: &mut [Oracle], seed: u64) {
    for oracle in oracles {
        let steps: Vec<Step> = oracle.kept().take(10).cloned().collect();
        for step in steps {
            let what = format!("GAMEMESH_TEST_SEED={seed}, after the restart: {step:?}");
            assert_eq!(compare(client, oracle, &step, &what).await, "repeated");
        }
        let places: Vec<Place> = oracle.histories.keys().cloned().collect();
        for at in places {
            let step =
                Step { key: String::new(), what: What::Delete { at, when: step::When::Any } };
            let what = format!("GAMEMESH_TEST_SEED={seed}, after the restart: {step:?}");
            compare(client, oracle, &step, &what).await;
        }
    }
}

async fn register_vault(client: &Client) {
    let declared = oracle::vault();
    assert_eq!(declared.type_name.as_str(), VAULT);
    let int = pb::value_schema::Kind::Int(pb::IntSchema { min: None, max: None });
    let conserved =
        pb::ConservedValidator { paths: vec!["balance".to_owned()], quantity: "gold".to_owned() };
    let schema = pb::TypeSchema {
        r#type: VAULT.to_owned(),
        fields: vec![pb::FieldSchema {
            path: "balance".to_owned(),
            value: Some(pb::ValueSchema { kind: Some(int) }),
            ..Default::default()
        }],
        open: true,
        validators: vec![pb::Validator { kind: Some(pb::validator::Kind::Conserved(conserved)) }],
        ..Default::default()
    };
    let request = pb::RegisterTypeRequest { r#type: VAULT.to_owned(), schema: Some(schema) };
    client.clone().register_type(request).await.unwrap();
}
