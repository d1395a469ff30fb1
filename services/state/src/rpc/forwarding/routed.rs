//! The writes that are forwarded, and how each is sent to the owner. Which streams it writes, and whether it
//! may be repeated, is declared in the contract.
//!
//! Declaring a type is not among them: the registry of the instance that answers must know it, and
//! it is done rarely enough to be done beside the owner.

use gamemesh_contracts::common::v1 as common;
use gamemesh_contracts::method;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::StreamName;
use pb::state_service_client::StateServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::{RESPONSE_BYTES_MAX, convert};

/// A version that was written, and the token to read it.
type Written<'a> = (i64, &'a str);

/// A request that writes.
pub(crate) trait RoutedRequest: method::Request + Clone + Send + Sync + 'static {
    type Answer: Send + 'static;

    /// Whether the request itself carries what makes a second try known for one.
    fn has_key(&self) -> bool;

    /// The streams that it writes, in the order of the answer's results; none where it names
    /// something that is no stream.
    fn streams(&self) -> Vec<StreamName> {
        let mut streams = Some(Vec::new());
        self.for_each_key(&mut |key| {
            let stream = match key {
                [kind, id] => convert::aggregate::stream(kind, id).ok(),
                _ => None,
            };
            streams = streams.take().zip(stream).map(|(mut streams, stream)| {
                streams.push(stream);
                streams
            });
        });
        streams.unwrap_or_default()
    }

    /// Whether a second try would be known for one, given that the call has a key or not.
    fn is_recognised(&self, call_has_key: bool) -> bool {
        match Self::METHOD.retry {
            common::Retry::Safe => true,
            common::Retry::WithKey => call_has_key || self.has_key(),
            common::Retry::Never | common::Retry::Unspecified => false,
        }
    }

    fn send(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;

    /// What the answer says of each stream.
    fn written(answer: &Self::Answer) -> Vec<Written<'_>>;
}

macro_rules! send_by {
    ($method:ident) => {
        async fn send(
            channel: Channel,
            request: Request<Self>,
        ) -> Result<Response<Self::Answer>, Status> {
            let client = StateServiceClient::new(channel);
            let mut client = client.max_decoding_message_size(RESPONSE_BYTES_MAX);
            client.$method(request).await
        }
    };
}

/// A request that writes one stream and answers what became of it.
macro_rules! one_stream {
    ($($request:ident => $answer:ident by $method:ident: |$message:ident| or $recognised:expr;)+) => {
        $(impl RoutedRequest for pb::$request {
            type Answer = pb::$answer;

            fn has_key(&self) -> bool {
                let $message = self;
                !$message.idempotency_key.is_empty() || $recognised
            }

            send_by!($method);

            fn written(answer: &Self::Answer) -> Vec<Written<'_>> {
                answer.write.as_ref().map(result).into_iter().collect()
            }
        })+
    };
}

one_stream! {
    PutPlayerRequest => PutPlayerResponse by put_player: |m| or false;
    PutMatchRequest => PutMatchResponse by put_match: |m| or false;
    CreateAggregateRequest => CreateAggregateResponse by create_aggregate: |m| or false;
    UpdateAggregateRequest => UpdateAggregateResponse by update_aggregate: |m| or false;
    DeleteAggregateRequest => DeleteAggregateResponse by delete_aggregate: |m| or false;
    // Events stand where they were expected to, with their ids.
    AppendEventsRequest => AppendEventsResponse by append_events: |m|
        or m.expected_version.is_some() && m.events.iter().all(|event| !event.event_id.is_empty());
    // A dry run writes nothing.
    RollbackAggregateRequest => RollbackAggregateResponse by rollback_aggregate: |m| or m.dry_run;
}

impl RoutedRequest for pb::TransactRequest {
    type Answer = pb::TransactResponse;

    fn has_key(&self) -> bool {
        !self.idempotency_key.is_empty()
    }

    send_by!(transact);

    fn written(answer: &Self::Answer) -> Vec<Written<'_>> {
        answer.writes.iter().map(result).collect()
    }
}

impl RoutedRequest for pb::SyncPlayerRequest {
    type Answer = pb::SyncPlayerResponse;

    fn has_key(&self) -> bool {
        self.changes.iter().all(|change| !change.idempotency_key.is_empty())
    }

    send_by!(sync_player);

    fn written(answer: &Self::Answer) -> Vec<Written<'_>> {
        let read = |freshness: &'_ common::Freshness| freshness.version;
        answer.freshness.iter().map(|freshness| (read(freshness), &*freshness.token)).collect()
    }
}

/// Some updates of a batch, all of one owner.
impl RoutedRequest for pb::BatchUpdateAggregatesRequest {
    type Answer = pb::BatchUpdateAggregatesResponse;

    fn has_key(&self) -> bool {
        self.updates.iter().all(RoutedRequest::has_key)
    }

    send_by!(batch_update_aggregates);

    fn written(answer: &Self::Answer) -> Vec<Written<'_>> {
        let written = answer.results.iter().map(|result| match &result.result {
            Some(pb::batch_update_result::Result::Updated(updated)) => updated.write.as_ref(),
            _ => None,
        });
        written.map(|write| write.map_or((0, ""), result)).collect()
    }
}

fn result(write: &pb::WriteResult) -> Written<'_> {
    (write.version, &write.token)
}
