//! Documents whose rules are beyond a schema: decided on the newest state, written if nobody came between.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_domain::document::{Aggregate, Command, Expectation, Value};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Idempotency, StreamName};

use super::{Game, Order, not_found};

/// Writes of others that one without an expected version gives way to.
const TRIES_MAX: usize = 64;

/// A document that is to be changed.
pub(crate) struct Document {
    pub(crate) stream: StreamName,
    pub(crate) expected: Expectation,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) metadata: Bytes,
    /// Make it if it does not exist.
    pub(crate) create: bool,
}

/// What became of it.
pub(crate) struct Decided {
    pub(crate) before: Arc<Aggregate>,
    pub(crate) after: Arc<Aggregate>,
}

impl Game {
    /// `decide` makes the new state of the present one, null if there is none; none where nothing changes.
    pub(crate) async fn decide(
        &self,
        document: Document,
        decide: impl Fn(&Value) -> Result<Option<Value>> + Send,
    ) -> Result<Decided> {
        let Document { stream, expected, idempotency, metadata, create } = document;
        if let Some(decided) = self.decided_before(&stream, idempotency.as_ref()).await? {
            return Ok(decided);
        }
        for _ in 0..TRIES_MAX {
            let before = self.documents.newest(&stream).await?;
            expected.check(&before)?;
            if !before.exists() && !create {
                return Err(not_found(&stream));
            }
            let Some(state) = decide(&before.state)? else {
                return Ok(Decided { after: before.clone(), before });
            };
            let now = match before.exists() {
                true => Expectation::Version(before.version),
                false => Expectation::MustNotExist,
            };
            let order = Order {
                stream: stream.clone(),
                expected: now,
                commands: vec![Command::Replace { state, create_missing: true }],
                event_ids: Vec::new(),
                idempotency: idempotency.clone(),
                metadata: metadata.clone(),
            };
            match self.write(order).await {
                Ok((after, written)) if written.repeated => {
                    let before = after.version.saturating_sub(1);
                    let before = self.documents.history.state_at(&stream, before).await?;
                    return Ok(Decided { before, after });
                }
                Ok((after, _)) => return Ok(Decided { before, after }),
                Err(error)
                    if expected == Expectation::Any
                        && matches!(error.code, Code::VersionConflict | Code::AlreadyExists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Code::VersionConflict, format!("{} keeps changing", stream.key())))
    }

    /// What the first try of the same request did: a second must not be judged by what the first changed.
    async fn decided_before(
        &self,
        stream: &StreamName,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Decided>> {
        let Some(Idempotency { key, fingerprint }) = idempotency else { return Ok(None) };
        let Some((appended, of)) = self.documents.log.idempotent(key).await? else {
            return Ok(None);
        };
        if of != *fingerprint {
            let message = "the idempotency key was used with another request";
            return Err(Error::new(Code::IdempotencyKeyReused, message));
        }
        let Some(part) = appended.streams.iter().find(|part| part.stream == *stream) else {
            return Ok(None);
        };
        let history = &self.documents.history;
        let before = history.state_at(stream, part.first_version - 1).await?;
        let after = history.state_at(stream, part.last_version).await?;
        Ok(Some(Decided { before, after }))
    }
}
