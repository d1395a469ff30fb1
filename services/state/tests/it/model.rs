//! Random operations of several clients on the service, each compared with a model that knows
//! neither log nor cache nor wire; then everything that can be read, before and after a restart.

mod audit;
mod choose;
mod oracle;
mod perform;
mod step;

use std::collections::BTreeMap;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::Lane;
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use self::oracle::{Oracle, VAULT};
use self::perform::{Part, perform};
use self::step::{Place, Step, What};
use super::documents::struct_of;
use super::world::{Client, World};

const CLIENTS: usize = 4;
const INSTANCES: usize = 3;
/// A run counts for so many rounds of other fault tests.
const ROUNDS_PER_RUN: u32 = 20;
const STEPS: usize = 220;

/// A seed to run again is given in `GAMEMESH_TEST_SEED`.
fn seed() -> u64 {
    let given = std::env::var("GAMEMESH_TEST_SEED").ok();
    given.map_or_else(rand::random, |seed| seed.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_come_to_what_the_model_says_also_after_a_restart() {
    run(vec![World::new().await]).await;
}

/// The same, each step at any of the instances: what one has written, the next goes on with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_over_three_instances_come_to_what_the_model_says() {
    // Where there is time, with many seeds.
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(0, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    for _ in 0..=rounds / ROUNDS_PER_RUN {
        let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
        let mut worlds = Vec::new();
        for _ in 0..INSTANCES {
            worlds.push(World::on(postgres.url(), StateConfig::default()).await);
        }
        run(worlds).await;
    }
}

/// On instances of one store.
async fn run(mut worlds: Vec<World>) {
    let seed = seed();
    register_vault(&worlds[0].client().await).await;
    meet(&worlds).await;

    let mut players = Vec::new();
    for n in 0..CLIENTS {
        let clients = clients(&worlds).await;
        let rng = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
        players.push(tokio::spawn(play(clients, rng, n, seed)));
    }
    let mut oracles = Vec::new();
    for player in players {
        oracles.push(player.await.unwrap());
    }
    meet(&worlds).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let clients = clients(&worlds).await;
    let whole = rng.random_range(0..clients.len());
    audit_all(&clients[whole], &mut rng, &oracles, seed).await;
    for client in &clients {
        audit::lists(client, &oracles).await;
        audit::global(client, &oracles).await;
    }

    worlds[0].restart().await;
    let client = worlds[0].client().await;
    audit_all(&client, &mut rng, &oracles, seed).await;
    retried_after_the_restart(&client, &mut oracles, seed).await;
    let report = worlds[0].stores().log.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

async fn clients(worlds: &[World]) -> Vec<Client> {
    futures::future::join_all(worlds.iter().map(World::client)).await
}

/// Waits until each instance has seen what any of them has written.
async fn meet(worlds: &[World]) {
    let logs = || worlds.iter().map(|world| &world.stores().log);
    for lane in (0..worlds[0].stores().log.lanes()).map(Lane) {
        let end = logs().map(|log| *log.tail(lane).borrow()).max().unwrap();
        for log in logs() {
            log.tail(lane).wait_for(|position| *position >= end).await.unwrap();
        }
    }
    for client in clients(worlds).await {
        // Answers only what has gone through all of the instance, up to where its log ends.
        client.clone().get_global(pb::GetGlobalRequest::default()).await.unwrap();
    }
}

/// One client, with aggregates of its own, who makes each step at any of the instances.
async fn play(clients: Vec<Client>, mut rng: StdRng, n: usize, seed: u64) -> Oracle {
    let mut oracle = Oracle::new();
    let places = choose::places(n);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for at in 0..STEPS {
        let step = choose::step(&mut rng, &oracle, &places);
        let instance = rng.random_range(0..clients.len());
        let what =
            format!("GAMEMESH_TEST_SEED={seed}, client {n}, step {at} at {instance}: {step:?}");
        *reasons
            .entry(compare(&clients[instance], &mut oracle, &step, &what).await)
            .or_default() += 1;
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
    let request = pb::RegisterTypeRequest {
        r#type: VAULT.to_owned(),
        schema: Some(schema),
        ..Default::default()
    };
    client.clone().register_type(request).await.unwrap();
}
