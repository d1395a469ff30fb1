//! Transactions: all or nothing, also under concurrency; sums that must stay.

use std::collections::BTreeMap;

use gamemesh_contracts::state::v1 as pb;
use pb::transaction_part::Action;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tonic::Status;

use super::calls::{at_version, create, fields, get, increment, incremented, part, reason};
use super::documents::{document, number};
use super::watcher::history;
use super::world::{Client, World};

const ACCOUNTS: usize = 5;
const CLIENTS: usize = 8;
const TRANSFERS: usize = 40;
const GOLD: f64 = 30.0;

/// A transfer that was acknowledged.
struct Transfer {
    from: (String, i64),
    to: (String, i64),
    gold: f64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_transfers_keep_the_sum_at_every_version() {
    let world = World::new().await;
    let client = world.client().await;
    for n in 0..ACCOUNTS {
        let state = json!({"balances": {"gold": GOLD}});
        create(&client, "economy", &account(n), &state).await.unwrap();
    }
    let before = world.events();

    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let client = world.client().await;
        clients.push(tokio::spawn(async move { transfers(&client, n as u64).await }));
    }
    let mut done = Vec::new();
    let mut refused = 0;
    for client in clients {
        let (transfers, refusals) = client.await.unwrap();
        done.extend(transfers);
        refused += refusals;
    }
    assert!(refused > 0, "no account ever ran out: the bound was not tried");
    assert_eq!(world.events() - before, 2 * done.len() as u64, "refused transfers write nothing");

    for transfer in &done {
        let (from, to) = (&transfer.from, &transfer.to);
        assert_eq!(gold(&client, from, 0).await - gold(&client, from, -1).await, -transfer.gold);
        assert_eq!(gold(&client, to, 0).await - gold(&client, to, -1).await, transfer.gold);
    }
    the_sum_stays(&client, &done).await;
}

async fn transfers(client: &Client, seed: u64) -> (Vec<Transfer>, usize) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut done, mut refused) = (Vec::new(), 0);
    for _ in 0..TRANSFERS {
        let from = rng.random_range(0..ACCOUNTS);
        let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let gold = f64::from(rng.random_range(1..25));
        // Both orders of the parts: locks are not taken in the order of the request.
        let parts = vec![moved(&account(from), -gold), moved(&account(to), gold)];
        match transact(client, parts).await {
            Ok(answer) => done.push(Transfer {
                from: (account(from), answer.writes[0].version),
                to: (account(to), answer.writes[1].version),
                gold,
            }),
            Err(status) => {
                assert_eq!(reason(&status), "OPERATION_REFUSED", "{status:?}");
                refused += 1;
            }
        }
    }
    (done, refused)
}

/// In the order of the log, after each whole transaction, the accounts hold what they held.
async fn the_sum_stays(client: &Client, done: &[Transfer]) {
    let partners: BTreeMap<_, _> = done
        .iter()
        .flat_map(|t| [(t.from.clone(), t.to.clone()), (t.to.clone(), t.from.clone())])
        .collect();
    let mut events = Vec::new();
    for n in 0..ACCOUNTS {
        events.extend(history(client, "economy", &account(n)).await);
    }
    events.sort_by_key(|event| event.position);
    let mut balances = BTreeMap::new();
    for event in events.iter().take(ACCOUNTS) {
        balances.insert(event.id.clone(), GOLD);
    }
    for pair in events[ACCOUNTS..].chunks(2) {
        let key = |event: &pb::AggregateEvent| (event.id.clone(), event.version);
        assert_eq!(partners.get(&key(&pair[0])), Some(&key(&pair[1])), "torn apart: {pair:?}");
        for event in pair {
            balances.insert(event.id.clone(), gold(client, &key(event), 0).await);
        }
        assert_eq!(balances.values().sum::<f64>(), GOLD * ACCOUNTS as f64);
        assert!(balances.values().all(|gold| *gold >= 0.0), "{balances:?}");
    }
}

async fn gold(client: &Client, (id, version): &(String, i64), offset: i64) -> f64 {
    let aggregate = at_version(client, "economy", id, version + offset).await.unwrap();
    number(&aggregate.state.unwrap(), &["balances", "gold"]).unwrap()
}

fn account(n: usize) -> String {
    format!("account-{n}")
}

fn moved(id: &str, by: f64) -> pb::TransactionPart {
    let mut operation = incremented("balances.gold", by);
    if let Some(pb::operation::Kind::Increment(increment)) = &mut operation.kind {
        increment.min = Some(0.0);
    }
    part("economy", id, Action::Operations(pb::Operations { operations: vec![operation] }))
}

async fn transact(
    client: &Client,
    parts: Vec<pb::TransactionPart>,
) -> Result<pb::TransactResponse, Status> {
    let request = pb::TransactRequest { parts, ..Default::default() };
    client.clone().transact(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_sum_is_kept_over_all_parts_of_a_write() {
    let world = World::new().await;
    let client = world.client().await;
    register_purse(&client).await;
    for id in ["mint", "a", "b"] {
        create(&client, "purse", id, &json!({"gold": 0})).await.unwrap();
    }
    let gold = |id: &str, by: f64| {
        let operations = vec![incremented("gold", by)];
        part("purse", id, Action::Operations(pb::Operations { operations }))
    };
    transact(&client, vec![gold("mint", -100.0), gold("a", 100.0)]).await.unwrap();
    transact(&client, vec![gold("a", -30.0), gold("b", 30.0)]).await.unwrap();

    let before = world.events();
    let alone = increment(&client, "purse", "a", "gold", 1.0).await.unwrap_err();
    let rich = create(&client, "purse", "c", &json!({"gold": 5})).await.unwrap_err();
    let lost = part("purse", "b", Action::Delete(pb::DeleteAction {}));
    let refused = [
        alone,
        rich,
        transact(&client, vec![gold("a", -30.0), gold("b", 29.0)]).await.unwrap_err(),
        transact(&client, vec![lost, gold("a", 0.0)]).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(reason(&status), "VALIDATOR_REFUSED", "{status:?}");
        assert_eq!(fields(&status), ["gold"], "{status:?}");
        assert!(status.message().contains("sum"), "{status:?}");
    }
    assert_eq!(world.events(), before);
    for (id, expected) in [("mint", -100.0), ("a", 70.0), ("b", 30.0)] {
        let state = get(&client, "purse", id).await.unwrap().aggregate.unwrap().state.unwrap();
        assert_eq!(number(&state, &["gold"]), Some(expected), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_part_refuses_all_and_a_check_writes_nothing() {
    let world = World::new().await;
    let client = world.client().await;
    create(&client, "guild", "g", &json!({"level": 1})).await.unwrap();
    let before = world.events();
    let state = document(&json!({"level": 2}));
    let check = |expected| pb::TransactionPart {
        expected_version: Some(expected),
        ..part("guild", "g", Action::Check(pb::CheckAction {}))
    };
    let created = || part("guild", "new", Action::Create(state.clone()));

    let stale = transact(&client, vec![created(), check(2)]).await.unwrap_err();
    assert_eq!(reason(&stale), "VERSION_CONFLICT");
    let missing = part("guild", "nobody", Action::MergePatch(state.clone()));
    let missing = transact(&client, vec![created(), missing]).await.unwrap_err();
    assert_eq!(reason(&missing), "NOT_FOUND");
    let only_checks = transact(&client, vec![check(1)]).await.unwrap_err();
    assert_eq!(reason(&only_checks), "INVALID_ARGUMENT");
    let twice = transact(&client, vec![created(), created()]).await.unwrap_err();
    assert_eq!(
        (reason(&twice), fields(&twice)),
        ("INVALID_ARGUMENT".into(), vec!["parts[1]".into()])
    );
    assert_eq!(world.events(), before);
    assert_eq!(reason(&get(&client, "guild", "new").await.unwrap_err()), "NOT_FOUND");

    let answer = transact(&client, vec![created(), check(1)]).await.unwrap();
    let versions: Vec<_> = answer.writes.iter().map(|write| write.version).collect();
    assert_eq!(versions, [1, 1]);
    assert_eq!(world.events(), before + 1);
}

async fn register_purse(client: &Client) {
    let conserved =
        pb::ConservedValidator { paths: vec!["gold".to_owned()], quantity: String::new() };
    let schema = pb::TypeSchema {
        open: true,
        validators: vec![pb::Validator { kind: Some(pb::validator::Kind::Conserved(conserved)) }],
        ..Default::default()
    };
    let request = pb::RegisterTypeRequest {
        r#type: "purse".to_owned(),
        schema: Some(schema),
        ..Default::default()
    };
    client.clone().register_type(request).await.unwrap();
}

/// Aggregates of one transaction; each time they all get the same number.
const PARTS: usize = 60;

/// How long it is read while it is written.
const READ_FOR: std::time::Duration = std::time::Duration::from_secs(3);

fn key(n: usize) -> pb::AggregateKey {
    pb::AggregateKey { r#type: "economy".to_owned(), id: format!("all-{n}") }
}

fn round(aggregate: &pb::Aggregate) -> f64 {
    number(aggregate.state.as_ref().unwrap(), &["balances", "round"]).unwrap()
}

async fn strong(client: &Client, n: usize) -> f64 {
    let request = pb::GetAggregateRequest {
        r#type: "economy".to_owned(),
        id: key(n).id,
        consistency: gamemesh_contracts::common::v1::Consistency::Strong.into(),
        ..Default::default()
    };
    let answer = client.clone().get_aggregate(request).await.unwrap().into_inner();
    round(&answer.aggregate.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_parts_are_shown_at_once() {
    let world = World::new().await;
    let client = world.client().await;
    let write = |action: fn() -> Action| pb::TransactRequest {
        parts: (0..PARTS).map(|n| part("economy", &key(n).id, action())).collect(),
        ..Default::default()
    };
    let create = || Action::Create(document(&json!({"balances": {"round": 0}})));
    client.clone().transact(write(create)).await.unwrap();
    let next = || {
        let operations = vec![incremented("balances.round", 1.0)];
        Action::Operations(pb::Operations { operations })
    };
    let ends = tokio::time::Instant::now() + READ_FOR;
    let (writer, request) = (world.client().await, write(next));
    let writing = tokio::spawn(async move {
        let mut rounds = 0;
        while tokio::time::Instant::now() < ends {
            writer.clone().transact(request.clone()).await.unwrap();
            rounds += 1;
        }
        rounds
    });
    let mut reading = Vec::new();
    for reader in 0..4 {
        let client = world.client().await;
        reading.push(tokio::spawn(async move {
            let mut pairs = 0;
            while tokio::time::Instant::now() < ends {
                let (first, last) = (strong(&client, 0).await, strong(&client, PARTS - 1).await);
                assert!(first <= last, "reader {reader} saw {first}, then {last}");
                pairs += 1;
                let keys = [0, PARTS / 2, PARTS - 1].map(key).to_vec();
                let request = pb::BatchGetAggregatesRequest { keys, ..Default::default() };
                let answer = client.clone().batch_get_aggregates(request).await.unwrap();
                let rounds: Vec<_> = (answer.into_inner().results.into_iter())
                    .map(|result| match result.result.unwrap() {
                        pb::batch_get_result::Result::Aggregate(aggregate) => round(&aggregate),
                        refusal => panic!("{refusal:?}"),
                    })
                    .collect();
                assert!(rounds.iter().all(|round| *round == rounds[0]), "{rounds:?}");
            }
            pairs
        }));
    }
    let rounds: u64 = writing.await.unwrap();
    let mut pairs = 0;
    for reader in reading {
        pairs += reader.await.unwrap();
    }
    assert!(rounds > 20 && pairs > 200, "{rounds} rounds and {pairs} pairs show nothing");
}
