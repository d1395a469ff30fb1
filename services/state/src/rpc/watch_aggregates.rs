use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::common::v1::Role;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{SlowWatcher, WatchRequest, Watched};
use gamemesh_domain::{Error, Result};
use gamemesh_feed::{Claim, Cut, Kind, Scope, parameters};
use gamemesh_rpc::caller::Caller;
use pb::watch_aggregates_response::Message;

use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) fn handle(
    engine: Arc<Engine>,
    caller: &Caller,
    request: pb::WatchAggregatesRequest,
) -> Result<impl Stream<Item = Result<pb::WatchAggregatesResponse>> + Send + use<>> {
    let pb::WatchAggregatesRequest { r#type, id, filter, resume_token, slow_watcher, changes_only } =
        request;
    let scope = scope(&engine, caller, &r#type, &id)?;
    let schema = match &*r#type {
        "" => None,
        name => Some(engine.documents.types.get(name)?),
    };
    let filter = parse::filter(&filter, schema.as_deref())?;
    let slow = match pb::SlowWatcher::try_from(slow_watcher) {
        Ok(pb::SlowWatcher::Unspecified | pb::SlowWatcher::Lossless) => SlowWatcher::Lossless,
        Ok(pb::SlowWatcher::Conflate) => SlowWatcher::Conflate,
        Ok(pb::SlowWatcher::Drop) => SlowWatcher::Drop,
        Err(_) => return Err(Error::invalid("slowWatcher", "accepts a value of SlowWatcher")),
    };
    let bound = parameters(&["watch", &r#type, &id], filter.fingerprint());
    // A browser that connects again does so with the address it had first, and with what it saw last.
    let resume_token = caller.last_event_id.as_deref().unwrap_or(&resume_token);
    let after = match resume_token {
        "" => None,
        token => {
            let now_us = engine.documents.clock.now_micros();
            Some(
                engine
                    .documents
                    .tokens
                    .check("resumeToken", token, Kind::Resume, bound, now_us)?
                    .cut,
            )
        }
    };
    let watch = engine.documents.watch(WatchRequest { scope, filter, after, changes_only, slow });
    let reader = caller.reads_as();
    Ok(watch.map(move |message| to_response(&engine, bound, reader, message?)))
}

fn scope(engine: &Engine, caller: &Caller, name: &str, id: &str) -> Result<Scope> {
    match (name, id) {
        ("", "") => {
            caller.may_read_all()?;
            Ok(Scope::All)
        }
        ("", _) => Err(Error::invalid("type", "is required with an id")),
        (name, "") => {
            let schema = engine.documents.types.get(name)?;
            caller.may_read_type(name)?;
            Ok(Scope::Category(schema.type_name().as_str().into()))
        }
        (name, id) => {
            let (stream, _) = parse::target(engine, name, id)?;
            caller.may_read(&stream)?;
            Ok(Scope::Stream(stream))
        }
    }
}

fn to_response(
    engine: &Engine,
    bound: u64,
    reader: Role,
    message: Watched,
) -> Result<pb::WatchAggregatesResponse> {
    let token = |cut: Cut| {
        let claim = Claim { parameters: bound, cut, key: String::new() };
        engine.documents.tokens.issue(Kind::Resume, &claim, engine.documents.clock.now_micros())
    };
    let (message, resume_token) = match message {
        Watched::Present { stream, aggregate } => {
            (Message::Present(convert::aggregate::to_aggregate(&stream, &aggregate)), String::new())
        }
        Watched::Begun { cut } => (Message::Begun(pb::WatchBegun {}), token(cut)),
        Watched::Checkpoint { cut } => (Message::Checkpoint(pb::WatchCheckpoint {}), token(cut)),
        Watched::Change { applied, conflated, cut } => {
            let stream = &applied.event.stream;
            let exists = applied.after.exists();
            let change = pb::WatchedChange {
                event: Some(convert::aggregate::to_event(&applied.event, reader)?),
                aggregate: exists.then(|| convert::aggregate::to_aggregate(stream, &applied.after)),
                conflated,
            };
            (Message::Change(change), token(cut))
        }
    };
    Ok(pb::WatchAggregatesResponse { message: Some(message), resume_token })
}
