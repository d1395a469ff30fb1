//! Who calls, under which conditions, and as part of what: the same for every service.

use std::sync::Arc;

use gamemesh_domain::document::Expectation;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::Idempotency;
use prost::Message;
use tonic::Extensions;
use tonic::metadata::MetadataMap;

use crate::auth::{Permit, Principal};
use crate::edge::Connection;
use crate::peers::is_service;
use crate::trace::Correlation;

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;
const REASON_BYTES_MAX: usize = 1_024;

/// The caller of a request. His role has been checked, as the contract of the method declares it.
#[derive(Clone)]
pub struct Caller {
    permit: Permit,
    correlation: Correlation,
    /// Absent where this process itself calls.
    connection: Option<Arc<Connection>>,
    if_match: Option<String>,
    idempotency_key: Option<String>,
    /// Where a browser's event stream broke off.
    pub last_event_id: Option<String>,
    /// The caller holds this version already.
    pub if_none_match: Option<String>,
    /// The caller came through the gateway, and reads headers.
    pub over_rest: bool,
}

/// What is written in the history about the cause of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub correlation_id: String,
    pub actor: String,
    pub traceparent: String,
    pub reason: String,
}

impl Caller {
    pub fn of(metadata: &MetadataMap, extensions: &Extensions) -> Result<Self> {
        let text = |name: &str| {
            metadata.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
        };
        Ok(Self {
            permit: Permit::of(extensions)?.clone(),
            correlation: Correlation::of(extensions)?.clone(),
            connection: extensions.get().cloned(),
            if_match: text("if-match"),
            idempotency_key: text("idempotency-key"),
            last_event_id: text("last-event-id").filter(|id| !id.is_empty()),
            if_none_match: text("if-none-match"),
            over_rest: metadata.contains_key(crate::GATEWAY_HEADER),
        })
    }

    /// Asks whether the caller may read many things at once: a batch, a page, a history. What such a call
    /// reads is counted with [`Self::has_read`].
    pub fn may_read_many(&self) -> Result<()> {
        self.bounded().map_or(Ok(()), |connection| connection.may_read(self.principal()))
    }

    /// The same for a stream, which waits.
    pub async fn when_may_read_many(&self) {
        loop {
            let wait = self.bounded().map(|connection| connection.read_wait(self.principal()));
            match wait {
                Some(wait) if !wait.is_zero() => tokio::time::sleep(wait).await,
                _ => return,
            }
        }
    }

    pub fn has_read(&self, items: usize, bytes: usize) {
        if let Some(connection) = self.bounded() {
            connection.has_read(self.principal(), items, bytes);
        }
    }

    /// What a service reads on somebody's behalf was counted where he called.
    fn bounded(&self) -> Option<&Connection> {
        self.connection.as_deref().filter(|_| !is_service(self.principal()))
    }

    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    pub fn principal(&self) -> &Principal {
        self.permit.principal()
    }

    /// What the request expects, from its fields and from `If-Match` and `If-None-Match`.
    pub fn expectation(
        &self,
        expected_version: Option<i64>,
        must_exist: bool,
    ) -> Result<Expectation> {
        let field = match expected_version {
            None if must_exist => Expectation::MustExist,
            None => Expectation::Any,
            Some(version) => version_expected("expectedVersion", version)?,
        };
        let (header, expected) = match (&self.if_match, &self.if_none_match) {
            (None, None) => return Ok(field),
            (Some(if_match), None) => ("If-Match", if_match_expected(if_match)?),
            (None, Some(none)) if none.trim() == "*" => {
                ("If-None-Match", Expectation::MustNotExist)
            }
            (None, Some(_)) => {
                let what = "accepts * on a write: the aggregate must not exist";
                return Err(Error::invalid("If-None-Match", what));
            }
            (Some(_), Some(_)) => {
                return Err(Error::invalid("If-None-Match", "contradicts If-Match; give one"));
            }
        };
        let absent = (Expectation::Version(0), Expectation::MustNotExist);
        if field != Expectation::Any && field != expected && (field, expected) != absent {
            let what = "contradicts expectedVersion; give one of them";
            return Err(Error::invalid(header, what));
        }
        Ok(expected)
    }

    /// Refuses conditions in headers where each part of a request has its own, in the field that
    /// `instead` names: which part a header is about, nobody could say.
    pub fn without_conditions(&self, instead: &str) -> Result<()> {
        let headers = [("If-Match", &self.if_match), ("If-None-Match", &self.if_none_match)];
        match headers.into_iter().find(|(_, given)| given.is_some()) {
            None => Ok(()),
            Some((header, _)) => Err(not_taken(header, instead)),
        }
    }

    /// Refuses a key in the header where each part of a request has its own: one key for several would
    /// make the first of them and pass over the others.
    pub fn without_key(&self, instead: &str) -> Result<()> {
        match &self.idempotency_key {
            None => Ok(()),
            Some(_) => Err(not_taken("Idempotency-Key", instead)),
        }
    }

    /// The idempotency of a request, from its field or its header. The key belongs to the caller who
    /// chose it, and the digest to this very request of this method: messages of two methods can have
    /// the same bytes.
    pub fn idempotency<M: Message>(
        &self,
        method: &str,
        key: &str,
        request: &M,
    ) -> Result<Option<Idempotency>> {
        let key = match (&self.idempotency_key, key) {
            (Some(header), "") => header,
            (Some(header), key) if header != key => {
                return Err(Error::invalid("Idempotency-Key", "contradicts idempotencyKey"));
            }
            (None, "") => return Ok(None),
            (_, key) => key,
        };
        if !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
            let what = format!("accepts 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(Error::invalid("idempotencyKey", what));
        }
        let actor = &self.principal().subject;
        let mut owned = blake3::Hasher::new();
        owned.update(&(actor.len() as u64).to_be_bytes()).update(actor.as_bytes());
        owned.update(key.as_bytes());
        let mut fingerprint = [0; 16];
        let mut asked = blake3::Hasher::new();
        asked.update(&(method.len() as u64).to_be_bytes()).update(method.as_bytes());
        asked.update(&request.encode_to_vec());
        // A condition is part of what is asked, wherever it stands.
        for header in [&self.if_match, &self.if_none_match].into_iter().flatten() {
            asked.update(header.as_bytes());
        }
        fingerprint.copy_from_slice(&asked.finalize().as_bytes()[..16]);
        Ok(Some(Idempotency { key: owned.finalize().to_hex().to_string(), fingerprint }))
    }

    /// What the history says about the cause of what this request writes.
    pub fn cause(&self, reason: &str) -> Result<Cause> {
        if reason.len() > REASON_BYTES_MAX {
            let what = format!("accepts at most {REASON_BYTES_MAX} bytes");
            return Err(Error::invalid("reason", what));
        }
        Ok(Cause {
            correlation_id: self.correlation.id(),
            actor: self.principal().subject.to_string(),
            traceparent: self.correlation.trace().map(|t| t.traceparent()).unwrap_or_default(),
            reason: reason.to_owned(),
        })
    }
}

fn not_taken(header: &str, instead: &str) -> Error {
    Error::invalid(header, format!("is not taken by this method: give {instead}"))
}

/// A version that a request expects; 0 means that the aggregate must not exist.
pub fn version_expected(field: &str, version: i64) -> Result<Expectation> {
    match u64::try_from(version) {
        Ok(version) => Ok(Expectation::Version(version)),
        Err(_) => Err(Error::invalid(field, "accepts 0 (must not exist) to 9223372036854775807")),
    }
}

fn if_match_expected(if_match: &str) -> Result<Expectation> {
    let text = if_match.trim();
    if text == "*" {
        return Ok(Expectation::MustExist);
    }
    let text = text.strip_prefix("W/").unwrap_or(text);
    let version = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    version.parse::<i64>().ok().filter(|version| *version >= 0).map_or_else(
        || {
            Err(Error::new(Code::InvalidArgument, "If-Match: accepts one ETag such as \"7\", or *")
                .with_field("If-Match", "accepts one ETag such as \"7\", or *"))
        },
        |version| version_expected("If-Match", version),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_takes_etags_and_the_star() {
        let cases = [
            ("\"7\"", Some(Expectation::Version(7))),
            ("W/\"7\"", Some(Expectation::Version(7))),
            ("7", Some(Expectation::Version(7))),
            (" * ", Some(Expectation::MustExist)),
            ("\"0\"", Some(Expectation::Version(0))),
            ("\"-1\"", None),
            ("\"x\"", None),
            ("\"1\", \"2\"", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(if_match_expected(text).ok(), expected, "{text}");
        }
    }
}
