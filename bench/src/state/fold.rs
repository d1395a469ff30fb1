//! The fold of events into aggregates, against the decoding of the same bytes alone.

use std::hint::black_box;
use std::time::Instant;

use gamemesh_contracts::state::v1 as pb;
use pb::datum_operation::Kind as OperationKind;
use prost::Message as _;

use super::StateBenchArgs;
use crate::exit::{Outcome, Problem};
use crate::report::{Bar, Pair, Row};

/// Events of one aggregate, so that the whole is many histories and not one.
const HISTORY: u32 = 1_000;

/// Events a second, decoded and applied, on one core.
pub(crate) fn fold(args: &StateBenchArgs) -> Outcome<Row> {
    let events: Vec<Vec<u8>> = (0..args.fold_events).map(|n| change(n % HISTORY, n)).collect();
    let bytes: usize = events.iter().map(Vec::len).sum();
    let mut pairs = Vec::new();
    for _ in 0..args.load.pairs {
        let began = Instant::now();
        for event in &events {
            black_box(pb::Change::decode(black_box(event.as_slice())).map_err(Problem::failed)?);
        }
        let baseline = events.len() as f64 / began.elapsed().as_secs_f64();

        let began = Instant::now();
        for history in events.chunks(HISTORY as usize) {
            let changes = history.iter().zip(1..).map(|(event, us)| (event.as_slice(), us));
            let folded = gamemesh_state::fold_changes(black_box(changes));
            black_box(folded.map_err(Problem::failed)?);
        }
        let ours = events.len() as f64 / began.elapsed().as_secs_f64();
        pairs.push(Pair { ours, baseline });
    }
    let bar = Bar::AtLeast { floor: 0.3, aim: 0.7 };
    Ok(Row::new("fold of events", "prost decode of the same bytes", "/s", bar, pairs).note(
        format!(
            "{} events of {} bytes on average, in histories of {HISTORY}",
            events.len(),
            bytes / events.len().max(1)
        ),
    ))
}

/// A history as a match makes it: created once, then counters, positions, and now and then an item.
fn change(at: u32, n: u32) -> Vec<u8> {
    use pb::change::Kind;
    let kind = match at {
        0 => Kind::Created(map([
            ("status", text("in_match")),
            ("level", int(12)),
            ("inventory", map([("gold", int(100))])),
            ("statistics", map([("kills", int(0)), ("deaths", int(0))])),
            ("position", map([("x", float(0.5)), ("y", float(0.5)), ("z", float(0.5))])),
        ])),
        _ => match n % 4 {
            0 | 1 => Kind::Operated(pb::DatumOperations {
                operations: vec![
                    operation(OperationKind::Increment, "statistics.kills", int(1)),
                    operation(OperationKind::Increment, "inventory.gold", int(5)),
                ],
            }),
            2 => Kind::Merged(map([(
                "position",
                map([("x", float(f64::from(n) + 0.25)), ("y", float(12.5))]),
            )])),
            _ => {
                let name = format!("inventory.item_{}", n % 32);
                Kind::Operated(pb::DatumOperations {
                    operations: vec![operation(OperationKind::Set, &name, int(1))],
                })
            }
        },
    };
    pb::Change { kind: Some(kind), ..pb::Change::default() }.encode_to_vec()
}

fn operation(kind: OperationKind, path: &str, value: pb::Datum) -> pb::DatumOperation {
    pb::DatumOperation {
        kind: kind.into(),
        path: path.to_owned(),
        value: Some(value),
        ..pb::DatumOperation::default()
    }
}

fn datum(kind: pb::datum::Kind) -> pb::Datum {
    pb::Datum { kind: Some(kind) }
}

fn int(value: i64) -> pb::Datum {
    datum(pb::datum::Kind::Int(value))
}

fn float(value: f64) -> pb::Datum {
    datum(pb::datum::Kind::Float(value))
}

fn text(value: &str) -> pb::Datum {
    datum(pb::datum::Kind::Text(value.to_owned()))
}

/// The names must come in ascending order.
fn map<const N: usize>(mut entries: [(&str, pb::Datum); N]) -> pb::Datum {
    entries.sort_by_key(|(name, _)| *name);
    let entries = entries
        .into_iter()
        .map(|(name, value)| pb::DatumEntry { name: name.to_owned(), value: Some(value) })
        .collect();
    datum(pb::datum::Kind::Map(pb::DatumMap { entries }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_one_that_folds() {
        let events: Vec<Vec<u8>> = (0..HISTORY).map(|n| change(n, n)).collect();
        let changes = events.iter().zip(1..).map(|(event, us)| (event.as_slice(), us));
        assert_eq!(gamemesh_state::fold_changes(changes).unwrap(), u64::from(HISTORY));
    }
}
