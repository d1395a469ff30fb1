//! The durable form of changes and states: domain values to the messages of `change.proto` and back.

mod datum;
mod operation;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::state::{Aggregate, Change};
use gamemesh_repository::{Event, LogError, Version};
use prost::Message as _;

use self::datum::to_datum;
use super::feed::Applied;

pub(crate) fn encode_change(change: &Change) -> Bytes {
    use pb::change::Kind;
    let kind = match change {
        Change::Created(state) => Kind::Created(to_datum(state)),
        Change::Merged(patch) => Kind::Merged(to_datum(patch)),
        Change::Operated(operations) => Kind::Operated(pb::DatumOperations {
            operations: operations.iter().map(operation::to_stored).collect(),
        }),
        Change::Replaced(state) => Kind::Replaced(to_datum(state)),
        Change::Deleted => Kind::Deleted(pb::Deletion {}),
        Change::RolledBack { to_version, state } => Kind::RolledBack(pb::RolledBack {
            to_version: *to_version as i64,
            state: state.as_ref().map(to_datum),
        }),
        Change::Noted { kind, data } => {
            Kind::Noted(pb::Noted { kind: kind.to_string(), data: Some(to_datum(data)) })
        }
    };
    pb::Change { kind: Some(kind) }.encode_to_vec().into()
}

pub(crate) fn decode_change(data: &[u8]) -> Result<Change, LogError> {
    wire::change(data)
}

/// The texts that these fields of an encoded message hold; empty where one is not there.
pub(crate) fn texts<const N: usize>(data: &[u8], fields: [u64; N]) -> Result<[&str; N], LogError> {
    wire::texts(data, fields)
}

pub(crate) fn encode_folded(aggregate: &Aggregate) -> Bytes {
    pb::Folded {
        state: aggregate.present().map(to_datum),
        created_us: aggregate.created_at_us,
        updated_us: aggregate.updated_at_us,
    }
    .encode_to_vec()
    .into()
}

pub(crate) fn decode_folded(state: &[u8], version: Version) -> Result<Aggregate, LogError> {
    wire::folded(state, version)
}

/// Folds the next event of a stream into its aggregate.
pub(crate) fn fold(aggregate: &mut Aggregate, event: &Event) -> Result<(), LogError> {
    let change = decode_change(&event.data)?;
    aggregate.evolve(change, event.time_us).map_err(|error| {
        damaged(format_args!("{} version {}: {error}", event.stream, event.version))
    })
}

/// Folds the encoded changes of a stream, each with its time in microseconds, from the first on:
/// what every reading of a history does. Answers the version reached.
pub fn fold_changes<'a>(
    changes: impl IntoIterator<Item = (&'a [u8], i64)>,
) -> Result<Version, LogError> {
    let mut aggregate = Aggregate::default();
    for (data, time_us) in changes {
        aggregate.evolve(decode_change(data)?, time_us).map_err(damaged)?;
    }
    Ok(aggregate.version)
}

/// The next event of a stream with the states around it.
pub(crate) fn apply(before: Arc<Aggregate>, event: Event) -> Result<Applied, LogError> {
    let mut after = Aggregate::clone(&before);
    fold(&mut after, &event)?;
    Ok(Applied { event, before, after: Arc::new(after) })
}

fn damaged(what: impl std::fmt::Display) -> LogError {
    LogError::Corrupted(what.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::wire::tests::change;
}
