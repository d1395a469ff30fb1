mod own;

use std::sync::Arc;

use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::Freshness;
use gamemesh_documents::{Action, Part, Write};
use gamemesh_domain::document::{
    self as document, Base, Command, Expectation, FieldOutcome, Resolution, Schema, reconcile,
};
use gamemesh_domain::{Error, Result};
use gamemesh_feed::Cut;
use gamemesh_repository::{Direction, StreamName};
use gamemesh_rpc::caller::Caller;
use pb::change_outcome::Status;
use pb::pending_change::Change;
use prost::Message as _;
use prost_types::Timestamp;

use self::own::OwnSteps;
use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;

const CHANGES_MAX: usize = 1_000;
const EVENTS_DEFAULT: usize = 1_000;
const EVENTS_MAX: usize = 10_000;
/// A region's name, or an origin's, in bytes.
const NAME_BYTES_MAX: usize = 64;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::SyncPlayerRequest,
) -> Result<Answer<pb::SyncPlayerResponse>> {
    let (stream, schema) = parse::player(&engine, &request.player_id)?;
    let events_max = parse::count("eventsMax", request.events_max, EVENTS_DEFAULT, EVENTS_MAX)?;
    check(&engine, &caller, &request)?;
    // The caller may have seen it at another instance.
    let present = engine.documents.read(&stream, &Freshness::Strong).await?.aggregate;
    let seen = parse::version("lastSeenVersion", request.last_seen_version)?;
    let seen = parse::within("lastSeenVersion", seen, present.version)?;

    let own = OwnSteps::gather(&engine, &caller, &stream, &request, present.version).await?;
    let mut sync = Sync {
        engine: &engine,
        caller: &caller,
        stream: &stream,
        schema: &schema,
        own,
        region: &request.source_region,
        origin: &request.origin,
    };
    let mut outcomes = Vec::with_capacity(request.changes.len());
    for (at, change) in request.changes.into_iter().enumerate() {
        outcomes.push(sync.bring_in(at, change).await?);
    }

    let any = Freshness::AtLeast(Cut::default());
    let answered = engine.documents.read(&stream, &any).await?;
    let aggregate = &answered.aggregate;
    let left = usize::try_from(aggregate.version - seen).unwrap_or(usize::MAX);
    let limit = left.min(events_max);
    let events =
        engine.documents.log.read_stream(&stream, seen + 1, limit, Direction::Forward).await?;
    let reader = caller.reads_as();
    let events = events.iter().map(|event| convert::aggregate::to_event(event, reader));
    let events = events.collect::<Result<_, _>>()?;
    let events = parse::fitting::<pb::AggregateEvent>(events);
    Ok(Answer::new(pb::SyncPlayerResponse {
        outcomes,
        player: aggregate
            .exists()
            .then(|| convert::player::to_player(&request.player_id, aggregate)),
        events_truncated: left > events.len(),
        events,
        freshness: Some(parse::freshness_of(&engine, &stream, &answered)),
    }))
}

fn check(engine: &Engine, caller: &Caller, request: &pb::SyncPlayerRequest) -> Result<()> {
    caller.without_conditions("baseVersion in each change")?;
    caller.without_key("idempotencyKey in each change")?;
    if request.changes.len() > CHANGES_MAX {
        return Err(Error::invalid("changes", format!("accepts at most {CHANGES_MAX}")));
    }
    let names = [
        ("sourceRegion", &request.source_region),
        ("targetRegion", &request.target_region),
        ("origin", &request.origin),
    ];
    for (field, name) in names {
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::invalid(field, format!("accepts at most {NAME_BYTES_MAX} bytes")));
        }
    }
    let target = &request.target_region;
    if !target.is_empty() && *target != engine.region {
        let here = &engine.region;
        return Err(Error::invalid("targetRegion", format!("this is region {here:?}")));
    }
    Ok(())
}

/// Brings changes of one caller into one player.
struct Sync<'a> {
    engine: &'a Arc<Engine>,
    caller: &'a Caller,
    stream: &'a StreamName,
    schema: &'a Arc<Schema>,
    own: OwnSteps,
    region: &'a str,
    origin: &'a str,
}

impl Sync<'_> {
    async fn bring_in(
        &mut self,
        at: usize,
        change: pb::PendingChange,
    ) -> Result<pb::ChangeOutcome> {
        let key = change.idempotency_key.clone();
        let mut outcome = pb::ChangeOutcome { idempotency_key: key, ..Default::default() };
        match self.write(at, change, &mut outcome.fields).await {
            Ok((version, repeated)) => {
                outcome.set_status(if repeated { Status::Repeated } else { Status::Applied });
                outcome.version = version;
            }
            // A fault of ours is not a verdict on the change: the caller must try again.
            Err(error) if gamemesh_rpc::error::row(error.code).retryable => return Err(error),
            Err(error) => {
                self.engine.refused(&error);
                outcome.set_status(Status::Refused);
                outcome.refusal = Some(to_refusal(&error));
            }
        }
        Ok(outcome)
    }

    async fn write(
        &mut self,
        at: usize,
        change: pb::PendingChange,
        fields: &mut Vec<pb::FieldOutcome>,
    ) -> Result<(i64, bool)> {
        let field = |name: &str| format!("changes[{at}].{name}");
        if change.idempotency_key.is_empty() {
            return Err(Error::invalid(field("idempotencyKey"), "is required: 1 to 256 bytes"));
        }
        let idempotency = own::idempotency(self.caller, self.stream, &change)?;
        let base = match change.base_version {
            None => None,
            Some(version) => {
                let name = field("baseVersion");
                let newest = self.engine.documents.newest(self.stream).await?.version;
                let version = parse::within(&name, parse::version(&name, version)?, newest)?;
                let past = self.engine.documents.history.state_at(self.stream, version).await?;
                Some(Base { version, state: past.state.clone() })
            }
        };
        let create_missing = true;
        let command = match change.change {
            None => {
                let what = "accepts one of mergePatch, operations";
                return Err(Error::invalid(field("change"), what));
            }
            Some(Change::MergePatch(patch)) => {
                let patch = convert::value::from_struct(&field("mergePatch"), patch)?;
                Command::Merge { patch, create_missing }
            }
            Some(Change::Operations(operations)) => {
                let operations = convert::operation::from_operations(operations)?;
                Command::Operate { operations, create_missing }
            }
        };
        let pending = document::Pending { command, base };
        let part = Part {
            stream: self.stream.clone(),
            schema: self.schema.clone(),
            expected: Expectation::Any,
            action: Action::Reconcile { pending: pending.clone(), own: self.own.steps() },
            event_ids: Vec::new(),
        };
        let region = if self.region.is_empty() { &self.engine.region } else { self.region };
        let occurred_at = change.occurred_at.map(|time| occurred(&field("occurredAt"), time));
        let cause = EventMetadata {
            occurred_at: occurred_at.transpose()?,
            origin: self.origin.to_owned(),
            ..self.caller.event_metadata(region, "")?
        };
        let metadata = cause.encode_to_vec().into();
        let write = Write { parts: vec![part], idempotency, metadata };
        match self.engine.documents.write(write).await {
            Ok(written) => {
                self.own.extend(self.engine, self.stream, &written).await?;
                let part = written.parts.first();
                let outcomes = part.map(|part| part.fields.iter().map(to_outcome).collect());
                *fields = outcomes.unwrap_or_default();
                Ok((part.map_or(0, |part| part.aggregate.version as i64), written.repeated))
            }
            Err(error) => {
                let present = self.engine.documents.newest(self.stream).await?;
                let now_us = self.engine.documents.clock.now_micros();
                let own = self.own.steps();
                let settled = reconcile(self.schema, &present, &own, pending, now_us);
                *fields = settled.fields.iter().map(to_outcome).collect();
                Err(error)
            }
        }
    }
}

/// When a change was made, as the history keeps it.
fn occurred(field: &str, time: Timestamp) -> Result<Timestamp> {
    convert::time::from_timestamp(field, &time).map(convert::time::to_timestamp)
}

fn to_outcome(outcome: &FieldOutcome) -> pb::FieldOutcome {
    use pb::field_outcome::Resolution as Wire;
    let resolution = match outcome.resolution {
        Resolution::Applied => Wire::Applied,
        Resolution::Merged => Wire::Merged,
        Resolution::Kept => Wire::Kept,
        Resolution::Refused => Wire::Refused,
    };
    pb::FieldOutcome {
        path: outcome.path.to_string(),
        resolution: resolution.into(),
        value: Some(convert::value::to_value(&outcome.value)),
    }
}
