//! What the fold of typical changes costs: `cargo run --release -p gamemesh-domain --example fold`.

#![expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use gamemesh_domain::Result;
use gamemesh_domain::document::{
    Aggregate, Change, Command, Increment, Map, Operation, Rates, Value, check_limits, decide,
};
use gamemesh_domain::state::builtin_schemas;

const EVENTS: usize = 1_000_000;
const BATCH: usize = 1_000;

fn main() -> Result<()> {
    let schemas = builtin_schemas()?;
    let player = schemas.iter().find(|schema| schema.type_name().as_str() == "player");
    let Some(player) = player else { return Ok(()) };
    let items = (0..30).map(|n| (format!("item_{n:02}"), Value::from(n)));
    let state = Map::from([("inventory", Map::from_iter(items))]);
    let born = Command::Create { state: state.into() };
    let start = decide(player, &Aggregate::default(), born, 1)?.after;

    let position = |n: i32| {
        let coordinates = [("x", Value::from(n)), ("y", Value::from(-n)), ("z", Value::from(0))];
        Change::Merged(Map::from([("position", Value::from(Map::from(coordinates)))]).into())
    };
    let health = |n: i32| Change::Merged(Map::from([("health", Value::from(n % 100))]).into());
    let gold = Operation::Increment(Increment {
        path: "inventory.item_17".parse()?,
        by: 1.into(),
        min: Some(0.into()),
        max: None,
        clamp: false,
    });
    let increment = |_| Change::Operated(vec![gold.clone()]);
    let noted = |_| Change::Noted { kind: "quest".into(), data: Value::Null };

    let mut out = std::io::stdout().lock();
    let mut report = |what: &str, took: Duration, count: usize| {
        let _ = writeln!(out, "{what:<34} {:>8.1} ns", took.as_nanos() as f64 / count as f64);
    };
    let mut fold = |what, change: &dyn Fn(i32) -> Change| -> Result<()> {
        let (mut aggregate, mut took) = (start.clone(), Duration::ZERO);
        for batch in 0..EVENTS / BATCH {
            // In batches that fit the cache, as a fold has each change right after decoding it.
            let changes: Vec<_> = (0..BATCH).map(|n| change((batch * BATCH + n) as i32)).collect();
            let begin = Instant::now();
            for change in changes {
                aggregate.evolve(black_box(change), 2)?;
            }
            took += begin.elapsed();
        }
        report(what, took, EVENTS);
        black_box(aggregate);
        Ok(())
    };
    fold("evolve: merge of one field", &health)?;
    fold("evolve: merge of a position", &position)?;
    fold("evolve: increment in a map of 30", &increment)?;
    fold("evolve: event of the caller's own", &noted)?;

    let rounds = EVENTS / 10;
    let begin = Instant::now();
    for _ in 0..rounds {
        black_box(start.clone());
    }
    report("copy of a player with 30 items", begin.elapsed(), rounds);
    let begin = Instant::now();
    for _ in 0..rounds {
        check_limits(black_box(&start.state))?;
    }
    report("limits of the same", begin.elapsed(), rounds);
    let begin = Instant::now();
    let rates = Rates { allowances: &start.allowances, since_us: 0, now_us: 0 };
    for _ in 0..rounds {
        player.check(black_box(&start.state), &start.state, &rates)?;
    }
    report("schema and validators of the same", begin.elapsed(), rounds);
    let begin = Instant::now();
    for _ in 0..rounds {
        let operations = vec![gold.clone()];
        let command = Command::Operate { operations, create_missing: false };
        black_box(decide(player, &start, command, 2)?);
    }
    report("decide: increment, all in all", begin.elapsed(), rounds);
    Ok(())
}
