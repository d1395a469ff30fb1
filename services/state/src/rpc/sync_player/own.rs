//! What earlier changes of the same caller did: it is not to be taken for the doing of others.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_contracts::state::v1::{PendingChange, SyncPlayerRequest};
use gamemesh_documents::Written;
use gamemesh_domain::Result;
use gamemesh_domain::document::OwnStep;
use gamemesh_repository::{Direction, Idempotency, LogError, StreamName, Version};
use gamemesh_rpc::caller::Caller;
use prost::Message as _;

use crate::engine::Engine;

/// Keys that are looked up at once.
const LOOKUPS_AT_ONCE: usize = 8;

/// Events that are read at once in search of those of an origin.
const EVENTS_AT_ONCE: usize = 1_024;

/// In the order of their versions.
pub(super) struct OwnSteps(Arc<Vec<OwnStep>>);

/// The change does not name its player, and is another one for another player.
pub(super) fn idempotency(
    caller: &Caller,
    stream: &StreamName,
    change: &PendingChange,
) -> Result<Option<Idempotency>> {
    let method = format!("SyncPlayer {}", stream.key());
    caller.idempotency(&method, &change.idempotency_key, change)
}

impl OwnSteps {
    /// Those that came after the oldest base: of the changes that this call repeats, and of whatever the
    /// caller brought in before from the same origin.
    pub(super) async fn gather(
        engine: &Engine,
        caller: &Caller,
        stream: &StreamName,
        request: &SyncPlayerRequest,
        newest: Version,
    ) -> Result<Self> {
        let bases = request.changes.iter().filter_map(|change| change.base_version);
        let oldest = bases.filter_map(|base| Version::try_from(base).ok()).min();
        let Some(oldest) = oldest.filter(|oldest| *oldest < newest) else {
            return Ok(Self(Arc::default()));
        };
        let mut versions = repeated(engine, caller, stream, &request.changes).await?;
        if !request.origin.is_empty() {
            versions.extend(of_origin(engine, caller, stream, &request.origin, oldest).await?);
        }
        versions.retain(|version| *version > oldest);
        versions.sort_unstable();
        versions.dedup();
        Ok(Self(Arc::new(engine.documents.history.steps(stream, &versions).await?)))
    }

    pub(super) fn steps(&self) -> Arc<Vec<OwnStep>> {
        self.0.clone()
    }

    /// Takes what a change of this call has just come to.
    pub(super) async fn extend(
        &mut self,
        engine: &Engine,
        stream: &StreamName,
        written: &Written,
    ) -> Result<()> {
        let Some(part) = written.parts.first() else { return Ok(()) };
        let (version, steps) = (part.aggregate.version, Arc::make_mut(&mut self.0));
        let Err(at) = steps.binary_search_by_key(&version, |step| step.version) else {
            return Ok(());
        };
        match &part.before {
            Some(before) => {
                let (before, after) = (before.state.clone(), part.aggregate.state.clone());
                steps.insert(at, OwnStep { version, before, after });
            }
            // The first try was still under way when this call began.
            None => {
                let found = engine.documents.history.steps(stream, &[version]).await?;
                steps.splice(at..at, found);
            }
        }
        Ok(())
    }
}

/// The versions that these changes led to when they were brought in before.
async fn repeated(
    engine: &Engine,
    caller: &Caller,
    stream: &StreamName,
    changes: &[PendingChange],
) -> Result<Vec<Version>> {
    // A change without a key, or with one that is refused, has not been brought in.
    let keys = changes.iter().filter(|change| !change.idempotency_key.is_empty());
    let keys: Vec<_> =
        keys.filter_map(|change| idempotency(caller, stream, change).ok().flatten()).collect();
    let found = stream::iter(keys)
        .map(|Idempotency { key, fingerprint }| async move {
            let known = engine.documents.log.idempotent(&key).await?;
            let same = known.filter(|(_, asked)| *asked == fingerprint);
            let parts = same.map(|(appended, _)| appended.streams).unwrap_or_default();
            let versions = parts.into_iter().filter(|part| part.stream == *stream);
            Ok::<_, LogError>(versions.map(|part| part.last_version).collect::<Vec<_>>())
        })
        .buffered(LOOKUPS_AT_ONCE)
        .try_concat()
        .await?;
    Ok(found)
}

/// The versions that the caller brought in from an origin after a version.
async fn of_origin(
    engine: &Engine,
    caller: &Caller,
    stream: &StreamName,
    origin: &str,
    after: Version,
) -> Result<Vec<Version>> {
    let (log, actor) = (&engine.documents.log, &*caller.principal().subject);
    let (mut found, mut next) = (Vec::new(), after + 1);
    loop {
        let events = log.read_stream(stream, next, EVENTS_AT_ONCE, Direction::Forward).await?;
        for event in &events {
            next = event.version + 1;
            let metadata = EventMetadata::decode(event.meta.clone())
                .map_err(|error| LogError::Corrupted(format!("{stream}: {error}")))?;
            if metadata.origin == origin && metadata.actor == actor {
                found.push(event.version);
            }
        }
        if events.len() < EVENTS_AT_ONCE {
            return Ok(found);
        }
    }
}
