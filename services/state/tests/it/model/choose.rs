//! Random steps: most of them sensible, some stale, some that no rule can allow.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngCore as _};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::oracle::{Oracle, VAULT};
use super::step::{Act, ActKind, Change, Note, Op, Place, Step, What, When};

/// Paths of each type on which operations are made, fitting or not.
const PATHS: [(&str, &[&str]); 6] = [
    ("economy", &["owner", "balances.gold", "balances.wood", "log", "deep.er.n"]),
    ("guild", &["name", "level", "members", "bank.gold", "ranks.a"]),
    ("player", &["status", "level", "inventory.gold", "statistics.kills", "achievements.first"]),
    ("match", &["phase", "players.a.score", "statistics.goals", "events"]),
    ("world", &["time", "weather.kind", "flags.x", "cells.c"]),
    (VAULT, &["balance", "owner", "tags"]),
];

const STATUSES: [&str; 5] = ["offline", "online", "in_match", "banned", "no such status"];
const PHASES: [&str; 4] = ["lobby", "active", "ended", "cancelled"];

/// The aggregates that a client plays with.
pub(super) fn places(client: usize) -> Vec<Place> {
    let ids = |aggregate_type: &'static str| {
        (0..2).map(move |n| (aggregate_type, format!("client-{client}-{n}")))
    };
    PATHS.iter().flat_map(|(aggregate_type, _)| ids(aggregate_type)).collect()
}

pub(super) fn step(rng: &mut StdRng, oracle: &Oracle, places: &[Place]) -> Step {
    // A retry, or another request under a key that is taken.
    if rng.random_ratio(1, 12) {
        let mut kept: Vec<_> = oracle.kept().collect();
        kept.sort_by(|a, b| a.key.cmp(&b.key));
        if let Some(step) = kept.choose(rng) {
            let mut step = (*step).clone();
            if rng.random_ratio(1, 3) {
                step.what = update(rng, oracle, places);
            }
            return step;
        }
    }
    let key = match rng.random_ratio(1, 4) {
        true => format!("key-{}", rng.next_u64()),
        false => String::new(),
    };
    let at = places.choose(rng).unwrap().clone();
    let when = when(rng, oracle, &at);
    let what = match rng.random_range(0..20) {
        0..3 => What::Create { state: state(rng, at.0), at },
        3..11 => update(rng, oracle, places),
        11 => What::Delete { at, when },
        12..14 => {
            let newest = oracle.newest(&at).version as i64;
            What::RollBack { to: rng.random_range(0..=newest + 1), at, when }
        }
        14 => append(rng, oracle, at),
        15..18 => transact(rng, oracle, places),
        _ => What::PutPlayer {
            id: places.iter().find(|place| place.0 == "player").unwrap().1.clone(),
            status: STATUSES.choose(rng).unwrap(),
            gold: rng.random_range(0..9),
            when: When::Any,
        },
    };
    Step { key, what }
}

fn update(rng: &mut StdRng, oracle: &Oracle, places: &[Place]) -> What {
    let at = places.choose(rng).unwrap().clone();
    let (when, change) = (when(rng, oracle, &at), change(rng, at.0));
    What::Update { at, change, when, create_missing: rng.random_ratio(1, 2) }
}

fn when(rng: &mut StdRng, oracle: &Oracle, at: &Place) -> When {
    let newest = oracle.newest(at).version as i64;
    match rng.random_range(0..8) {
        0 => When::Exact(rng.random_range(0..=newest + 1)),
        1 | 2 => When::Exact(newest),
        3 => When::MustExist,
        _ => When::Any,
    }
}

fn change(rng: &mut StdRng, aggregate_type: &str) -> Change {
    match rng.random_range(0..6) {
        0 => Change::Replace(state(rng, aggregate_type)),
        1 => {
            let mut patch = state(rng, aggregate_type);
            if rng.random_ratio(1, 3) {
                patch["inventory"] = Json::Null;
            }
            Change::Merge(patch)
        }
        _ => {
            let count = rng.random_range(1..4);
            Change::Operate((0..count).map(|_| operation(rng, aggregate_type)).collect())
        }
    }
}

fn operation(rng: &mut StdRng, aggregate_type: &str) -> Op {
    let (_, paths) = PATHS.iter().find(|(name, _)| *name == aggregate_type).unwrap();
    let path = *paths.choose(rng).unwrap();
    let items: Vec<Json> = (0..rng.random_range(1..4)).map(|_| scalar(rng)).collect();
    match rng.random_range(0..10) {
        0..2 => Op::Set(path, fitting(rng, path)),
        2..5 => Op::Increment {
            path,
            by: *[1.0, -1.0, 5.0, 0.5, 9_007_199_254_740_991.0].choose(rng).unwrap(),
            min: rng.random_ratio(1, 3).then_some(0.0),
            max: rng.random_ratio(1, 3).then_some(20.0),
            clamp: rng.random_ratio(1, 3),
        },
        5 => Op::Append(path, items, rng.random_range(0..5)),
        6 => Op::AddToSet(path, items),
        7 => Op::RemoveFromSet(path, items),
        8 => {
            let value = rng.random_range(-3..12).into();
            if rng.random() { Op::Maximum(path, value) } else { Op::Minimum(path, value) }
        }
        _ => Op::Remove(path),
    }
}

/// A value that the path usually takes.
fn fitting(rng: &mut StdRng, path: &str) -> Json {
    match path {
        "status" => (*STATUSES.choose(rng).unwrap()).into(),
        "phase" => (*PHASES.choose(rng).unwrap()).into(),
        "members" | "log" | "tags" => json!(["a", "b"]),
        _ => scalar(rng),
    }
}

fn scalar(rng: &mut StdRng) -> Json {
    match rng.random_range(0..6) {
        0..3 => rng.random_range(-3..30).into(),
        3 => json!(0.25),
        4 => json!(["x", "ü", "🎲"].choose(rng).unwrap()),
        _ => json!(true),
    }
}

fn state(rng: &mut StdRng, aggregate_type: &str) -> Json {
    let n = rng.random_range(0..12);
    match aggregate_type {
        "economy" => json!({"owner": "o", "balances": {"gold": n - 1, "wood": 3}, "log": [n]}),
        "guild" => json!({"name": "g", "level": n, "members": ["a", "b"], "bank": {"gold": n}}),
        "player" => {
            json!({"status": STATUSES.choose(rng).unwrap(), "level": n + 1, "inventory": {"gold": n}})
        }
        "match" => json!({"phase": PHASES.choose(rng).unwrap(), "statistics": {"goals": n}}),
        "world" => json!({"time": n, "flags": {"x": true, "y": null}}),
        _ => json!({"balance": if rng.random_ratio(1, 2) { 0 } else { n }, "owner": "v"}),
    }
}

fn append(rng: &mut StdRng, oracle: &Oracle, at: Place) -> What {
    // Now and then the retry of what stands already.
    if rng.random_ratio(1, 2)
        && let Some(history) = oracle.histories.get(&at)
        && let Some(after) = history.events.iter().position(|(id, _)| id.is_some())
        && let (Some(id), gamemesh_domain::document::Change::Noted { kind, .. }) =
            &history.events[after]
    {
        let note = Note { id: Some(*id), kind: kind.to_string(), data: json!({"told": true}) };
        return What::Append { at, notes: vec![note], when: When::Exact(after as i64) };
    }
    let newest = oracle.newest(&at).version as i64;
    let own: bool = rng.random();
    let note = |rng: &mut StdRng| {
        let id = own.then(|| Uuid::from_u128(u128::from(rng.next_u64()) << 64 | 1));
        Note { id, kind: "quest.done".to_owned(), data: json!({"told": true}) }
    };
    let notes = if own { vec![note(rng)] } else { vec![note(rng), note(rng)] };
    let when = if own { When::Exact(newest) } else { When::Any };
    What::Append { at, notes, when }
}

fn transact(rng: &mut StdRng, oracle: &Oracle, places: &[Place]) -> What {
    if rng.random_ratio(1, 2) {
        let by = rng.random_range(1..4).into();
        let vaults: Vec<_> = places.iter().filter(|place| place.0 == VAULT).collect();
        let moved = |at: &&Place, by: f64| Act {
            at: (*at).clone(),
            expected: None,
            action: Some(ActKind::Change(Change::Operate(vec![Op::Increment {
                path: "balance",
                by,
                min: None,
                max: None,
                clamp: false,
            }]))),
        };
        // One in four makes money out of nothing.
        let back = if rng.random_ratio(1, 4) { 1.0 } else { by };
        return What::Transact { parts: vec![moved(&vaults[0], by), moved(&vaults[1], -back)] };
    }
    let count = rng.random_range(1..4);
    let chosen: Vec<Place> = places.choose_multiple(rng, count).cloned().collect();
    let mut parts: Vec<Act> = Vec::new();
    for (n, at) in chosen.into_iter().enumerate() {
        let newest = oracle.newest(&at).version as i64;
        let expected = match rng.random_range(0..4) {
            0 => Some(newest),
            1 if rng.random_ratio(1, 4) => Some(newest + 1),
            _ => None,
        };
        let action = match rng.random_range(0..6) {
            0 if n > 0 => None,
            1 => Some(ActKind::Create(state(rng, at.0))),
            2 if rng.random_ratio(1, 3) => Some(ActKind::Delete),
            _ => Some(ActKind::Change(change(rng, at.0))),
        };
        parts.push(Act { at, expected, action });
    }
    What::Transact { parts }
}
