//! One call: what goes with it, where it belongs, and what is learnt from the answer.
//!
//! Whether a call reads, may be repeated, and what it is about is declared in the contract of its method;
//! here is only which fields carry keys and tokens.

use gamemesh_contracts::common::v1::{Consistency, Retry};
use gamemesh_contracts::method::Request;
use gamemesh_contracts::state::v1 as pb;
use uuid::Uuid;

use crate::instances::hash;
use crate::session::{Key, Session};

/// A request that is about to be sent.
pub(crate) trait Outgoing: Request + Clone {
    /// Completes the request. `keys`: writes get an idempotency key. Answers whether it carries a token of
    /// the session now.
    fn prepare(&mut self, session: &Session, keys: bool) -> bool;

    /// Whether it carries what makes a second delivery known as a repetition.
    fn has_key(&self) -> bool;

    /// Whether a second delivery does no harm.
    fn is_repeatable(&self) -> bool {
        match Self::METHOD.retry {
            Retry::Safe => true,
            Retry::WithKey => self.has_key(),
            Retry::Never | Retry::Unspecified => false,
        }
    }

    /// Whether it changes nothing, so that it may be at two instances at once.
    fn is_read(&self) -> bool {
        Self::METHOD.is_read()
    }

    /// The aggregates of whose writes the answer tells.
    fn keys(&self) -> Vec<Key> {
        if self.is_read() { Vec::new() } else { about(self) }
    }

    /// The aggregate that it is about, hashed: where other calls about it go, this one goes.
    /// Of several the first counts.
    fn aggregate(&self) -> Option<u64> {
        let mut first = None;
        self.for_each_key(&mut |parts| {
            first.get_or_insert_with(|| hash(parts));
        });
        first
    }
}

/// The aggregates that a call is about.
fn about(request: &impl Request) -> Vec<Key> {
    let mut keys = Vec::new();
    request.for_each_key(&mut |parts| {
        if let [kind, id] = parts {
            keys.push(((*kind).to_owned(), (*id).to_owned()));
        }
    });
    keys
}

/// An answer from which the client can learn.
pub(crate) trait Incoming {
    /// What was written, in the order of [`Outgoing::keys`].
    fn written(&self) -> Vec<Written<'_>> {
        Vec::new()
    }
}

/// The version of an aggregate after a write, and the token to read it; empty where nothing was written.
pub(crate) type Written<'a> = (i64, &'a str);

fn result(write: &pb::WriteResult) -> Written<'_> {
    (write.version, &write.token)
}

/// Reads: they carry the token of an earlier write.
macro_rules! reads {
    ($($request:ident => $response:ident $(, token $token:expr)?;)+) => {$(
        impl Outgoing for pb::$request {
            fn prepare(&mut self, session: &Session, _keys: bool) -> bool {
                let _ = session;
                $(
                    let token: fn(&Self, &Session) -> Option<String> = $token;
                    if self.token.is_empty() && let Some(token) = token(self, session) {
                        self.token = token;
                        return !self.token.is_empty();
                    }
                )?
                false
            }

            fn has_key(&self) -> bool {
                false
            }
        }

        impl Incoming for pb::$response {}
    )+};
}

reads! {
    GetPlayerRequest => GetPlayerResponse, token |r, s| of(s, r, r.consistency);
    GetMatchRequest => GetMatchResponse, token |r, s| of(s, r, r.consistency);
    GetGlobalRequest => GetGlobalResponse,
        token |r, s| at_least(r.consistency).then(|| s.all());
    SyncGlobalRequest => SyncGlobalResponse, token |_, s| Some(s.all());
    GetAggregateRequest => GetAggregateResponse, token |r, s| of(s, r, r.consistency);
    BatchGetAggregatesRequest => BatchGetAggregatesResponse,
        token |r, s| at_least(r.consistency).then(|| s.all());
    ListAggregatesRequest => ListAggregatesResponse, token |r, s| {
        // Every page of a list must have the parameters of the first.
        r.page_token.is_empty().then(|| s.all())
    };
    ListEventsRequest => ListEventsResponse;
    DiffAggregateRequest => DiffAggregateResponse;
    GetTypeRequest => GetTypeResponse;
    ListTypesRequest => ListTypesResponse;
    GetAnalyticsRequest => GetAnalyticsResponse;
}

fn at_least(consistency: i32) -> bool {
    matches!(
        Consistency::try_from(consistency),
        Ok(Consistency::Unspecified | Consistency::AtLeast)
    )
}

/// The token of the aggregate that a read is about.
fn of(session: &Session, request: &impl Request, consistency: i32) -> Option<String> {
    let key = at_least(consistency).then(|| about(request).pop()).flatten()?;
    Some(session.token(&key))
}

/// Writes with one idempotency key.
macro_rules! writes {
    ($($request:ident => $response:ident;)+) => {$(
        impl Outgoing for pb::$request {
            fn prepare(&mut self, _session: &Session, keys: bool) -> bool {
                fill(&mut self.idempotency_key, keys);
                false
            }

            fn has_key(&self) -> bool {
                !self.idempotency_key.is_empty()
            }
        }

        impl Incoming for pb::$response {
            fn written(&self) -> Vec<Written<'_>> {
                self.write.iter().map(result).collect()
            }
        }
    )+};
}

writes! {
    PutPlayerRequest => PutPlayerResponse;
    PutMatchRequest => PutMatchResponse;
    CreateAggregateRequest => CreateAggregateResponse;
    UpdateAggregateRequest => UpdateAggregateResponse;
    DeleteAggregateRequest => DeleteAggregateResponse;
    AppendEventsRequest => AppendEventsResponse;
    RollbackAggregateRequest => RollbackAggregateResponse;
}

fn fill(idempotency_key: &mut String, wanted: bool) {
    if wanted && idempotency_key.is_empty() {
        *idempotency_key = Uuid::now_v7().to_string();
    }
}

impl Outgoing for pb::TransactRequest {
    fn prepare(&mut self, _session: &Session, keys: bool) -> bool {
        fill(&mut self.idempotency_key, keys);
        false
    }

    fn has_key(&self) -> bool {
        !self.idempotency_key.is_empty()
    }
}

impl Incoming for pb::TransactResponse {
    fn written(&self) -> Vec<Written<'_>> {
        // The token of the transaction covers each of its parts.
        self.writes.iter().map(|write| (write.version, &*self.token)).collect()
    }
}

impl Outgoing for pb::BatchUpdateAggregatesRequest {
    fn prepare(&mut self, _session: &Session, keys: bool) -> bool {
        for update in &mut self.updates {
            fill(&mut update.idempotency_key, keys);
        }
        false
    }

    fn has_key(&self) -> bool {
        self.updates.iter().all(|update| !update.idempotency_key.is_empty())
    }
}

impl Incoming for pb::BatchUpdateAggregatesResponse {
    fn written(&self) -> Vec<Written<'_>> {
        let writes = self.results.iter().map(|outcome| match &outcome.result {
            Some(pb::batch_update_result::Result::Updated(updated)) => updated.write.as_ref(),
            _ => None,
        });
        writes.map(|write| write.map_or((0, ""), result)).collect()
    }
}

impl Outgoing for pb::SyncPlayerRequest {
    fn prepare(&mut self, _session: &Session, keys: bool) -> bool {
        for change in &mut self.changes {
            fill(&mut change.idempotency_key, keys);
        }
        false
    }

    fn has_key(&self) -> bool {
        self.changes.iter().all(|change| !change.idempotency_key.is_empty())
    }
}

impl Incoming for pb::SyncPlayerResponse {
    fn written(&self) -> Vec<Written<'_>> {
        self.freshness.iter().map(|freshness| (freshness.version, &*freshness.token)).collect()
    }
}

impl Outgoing for pb::RegisterTypeRequest {
    fn prepare(&mut self, _session: &Session, _keys: bool) -> bool {
        false
    }

    fn has_key(&self) -> bool {
        false
    }
}

impl Incoming for pb::RegisterTypeResponse {}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(id: &str) -> pb::UpdateAggregateRequest {
        pb::UpdateAggregateRequest { r#type: "player".into(), id: id.into(), ..Default::default() }
    }

    #[test]
    fn a_write_can_be_repeated_only_under_a_key() {
        let session = Session::default();
        let mut request = update("1");
        request.prepare(&session, false);
        assert!(!request.is_repeatable());
        request.prepare(&session, true);
        assert!(request.is_repeatable());
        let key = request.idempotency_key.clone();
        request.prepare(&session, true);
        assert_eq!(request.idempotency_key, key, "the caller's key stays");

        let mut batch =
            pb::BatchUpdateAggregatesRequest { updates: vec![update("1"), update("2")] };
        assert!(!batch.is_repeatable());
        batch.prepare(&session, true);
        assert!(batch.is_repeatable());
        assert_ne!(batch.updates[0].idempotency_key, batch.updates[1].idempotency_key);
    }

    #[test]
    fn a_read_carries_the_token_of_the_write_unless_it_asks_for_less() {
        let session = Session::default();
        session.wrote(("player".into(), "1".into()), 1, "t1");
        session.wrote(("player".into(), "2".into()), 1, "t2");
        let read = |consistency: Consistency, token: &str| {
            let mut request = pb::GetPlayerRequest {
                player_id: "1".into(),
                consistency: consistency.into(),
                token: token.into(),
                ..Default::default()
            };
            request.prepare(&session, true);
            request.token
        };
        assert_eq!(read(Consistency::Unspecified, ""), "t1");
        assert_eq!(read(Consistency::AtLeast, ""), "t1");
        assert_eq!(read(Consistency::AtLeast, "own"), "own");
        assert_eq!(read(Consistency::Any, ""), "");
        assert_eq!(read(Consistency::Strong, ""), "");

        let mut list = pb::ListAggregatesRequest::default();
        assert!(list.prepare(&session, true));
        assert_eq!(list.token, "t2");
        assert!(!list.prepare(&session, true), "the token was there already");
    }

    #[test]
    fn reads_and_writes_of_an_aggregate_go_to_the_same_place() {
        let read = pb::GetPlayerRequest { player_id: "1".into(), ..Default::default() };
        assert_eq!(read.aggregate(), update("1").aggregate());
        assert_ne!(read.aggregate(), update("2").aggregate());
        assert!(read.is_read() && !update("1").is_read());
        assert_eq!(pb::ListAggregatesRequest::default().aggregate(), None);
        let batch = pb::BatchUpdateAggregatesRequest { updates: vec![update("1"), update("2")] };
        assert_eq!(batch.aggregate(), update("1").aggregate());
    }
}
