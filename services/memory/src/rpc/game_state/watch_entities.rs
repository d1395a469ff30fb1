use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_documents::{SlowWatcher, WatchRequest, Watched};
use gamemesh_domain::Result;
use gamemesh_domain::document::Filter;
use gamemesh_domain::memory::Name;
use gamemesh_feed::{Claim, Cut, Kind, Scope, parameters};
use gamemesh_rpc::caller::Caller;

use crate::game::entities::entity;
use crate::game::{ENTITY, Game};

#[expect(clippy::needless_pass_by_value, reason = "a handler takes the request as it came")]
pub(super) fn handle(
    game: Arc<Game>,
    caller: &Caller,
    request: pb::WatchEntitiesRequest,
) -> Result<impl Stream<Item = Result<pb::WatchEntitiesResponse>> + Send + use<>> {
    let scope = match &*request.entity_id {
        "" => Scope::Category(ENTITY.into()),
        id => Scope::Stream(game.entity_stream(id)?),
    };
    let filter = match &*request.r#type {
        "" => Filter::all(),
        name => {
            let name = Name::parse("type", name)?;
            let quoted = name.as_str().replace('\\', "\\\\").replace('"', "\\\"");
            format!("type = \"{quoted}\"").parse()?
        }
    };
    let bound = parameters(&["watch", &request.entity_id], filter.fingerprint());
    // A browser that connects again does so with the address it had first, and with what it saw last.
    let token = caller.last_event_id.as_deref().unwrap_or(&request.resume_token);
    let after = match token {
        "" => None,
        token => {
            let (tokens, now_us) = (&game.documents.tokens, game.clock.now_micros());
            Some(tokens.check("resumeToken", token, Kind::Resume, bound, now_us)?.cut)
        }
    };
    let slow = SlowWatcher::Lossless;
    let watch =
        game.documents.watch(WatchRequest { scope, filter, after, changes_only: false, slow });
    Ok(watch.map(move |message| Ok(to_response(&game, bound, message?))))
}

fn to_response(game: &Game, bound: u64, message: Watched) -> pb::WatchEntitiesResponse {
    let token = |cut: Cut| {
        let claim = Claim { parameters: bound, cut, key: String::new() };
        game.documents.tokens.issue(Kind::Resume, &claim, game.clock.now_micros())
    };
    match message {
        Watched::Present { stream, aggregate } => pb::WatchEntitiesResponse {
            entity: Some(entity(&stream, &aggregate)),
            entity_id: stream.key().to_owned(),
            version: aggregate.version as i64,
            resume_token: String::new(),
        },
        Watched::Begun { cut } | Watched::Checkpoint { cut } => {
            pb::WatchEntitiesResponse { resume_token: token(cut), ..Default::default() }
        }
        Watched::Change { applied, cut, .. } => {
            let (stream, after) = (&applied.event.stream, &applied.after);
            pb::WatchEntitiesResponse {
                entity: after.exists().then(|| entity(stream, after)),
                entity_id: stream.key().to_owned(),
                version: after.version as i64,
                resume_token: token(cut),
            }
        }
    }
}
