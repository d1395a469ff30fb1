//! The durable form of changes and states: domain values as the messages of `change.proto` and back.

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod fields;
mod wire;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gamemesh_domain::document::{Aggregate, Allowance, Change};
use gamemesh_repository::{Event, LogError, Version};

use crate::Applied;

/// Encodes changes. Those that are encoded together share its memory.
pub struct EncodeBuffer {
    scratch: Vec<u8>,
    kept: BytesMut,
}

impl EncodeBuffer {
    /// Bytes of an ordinary change.
    const CHANGE_BYTES: usize = 64;

    /// For about so many changes.
    pub fn of(changes: usize) -> Self {
        // A change that is encoded alone takes just the memory that it needs.
        let kept = if changes > 1 { changes * Self::CHANGE_BYTES } else { 0 };
        Self {
            scratch: Vec::with_capacity(Self::CHANGE_BYTES),
            kept: BytesMut::with_capacity(kept),
        }
    }

    pub fn encode(&mut self, change: &Change, allowances: &[Allowance]) -> Bytes {
        self.scratch.clear();
        wire::write::change(change, &mut self.scratch);
        wire::write::allowances(8, allowances, &mut self.scratch);
        self.kept.extend_from_slice(&self.scratch);
        self.kept.split().freeze()
    }
}

pub fn decode_change(data: &[u8]) -> Result<Change, LogError> {
    wire::change(data).map(|(change, _)| change)
}

/// The texts that these fields of an encoded message hold; empty where one is not there.
pub fn texts<const N: usize>(data: &[u8], fields: [u64; N]) -> Result<[&str; N], LogError> {
    wire::texts(data, fields)
}

pub fn encode_folded(aggregate: &Aggregate) -> Bytes {
    let mut out = Vec::new();
    wire::write::folded(aggregate, &mut out);
    out.into()
}

pub fn decode_folded(state: &[u8], version: Version) -> Result<Aggregate, LogError> {
    wire::folded(state, version)
}

/// Folds the next event of a stream into its aggregate.
pub fn fold(aggregate: &mut Aggregate, event: &Event) -> Result<(), LogError> {
    let (change, allowances) = wire::change(&event.data)?;
    aggregate.evolve(change, event.time_us).map_err(|error| {
        damaged(format_args!("{} version {}: {error}", event.stream, event.version))
    })?;
    aggregate.take_allowances(allowances);
    Ok(())
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
pub fn apply(before: Arc<Aggregate>, event: Event) -> Result<Applied, LogError> {
    let mut after = Aggregate::clone(&before);
    fold(&mut after, &event)?;
    Ok(Applied { event, before, after: Arc::new(after) })
}

fn damaged(what: impl std::fmt::Display) -> LogError {
    LogError::Corrupted(what.to_string())
}
