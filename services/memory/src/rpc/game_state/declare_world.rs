use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::{Map, Value};
use gamemesh_domain::memory::{Machine, Name};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use crate::convert::world::{from_transitions, machine_value, to_world};
use crate::game::{Document, Game, WORLD, field, metadata};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::DeclareWorldRequest,
) -> Result<pb::DeclareWorldResponse> {
    let stream = game.stream(WORLD, "worldId", &request.world_id)?;
    let declared =
        request.declaration.ok_or_else(|| Error::invalid("declaration", "is required"))?;
    let weather = from_transitions("declaration.weather", declared.weather.as_ref())?;
    let stances = from_transitions("declaration.stances", declared.stances.as_ref())?;
    let document = Document {
        stream: stream.clone(),
        expected: caller.expectation(request.expected_version, false)?,
        idempotency: None,
        metadata: metadata(&caller)?,
        create: true,
    };
    let decided = game.decide(document, |state| declare(state, &weather, &stances)).await?;
    Ok(pb::DeclareWorldResponse { world: Some(to_world(&stream, &decided.after)) })
}

/// What there is must be declared still.
fn declare(state: &Value, weather: &Machine, stances: &Machine) -> Result<Option<Value>> {
    let mut after = state.as_map().cloned().unwrap_or_default();
    let known = |machine: &Machine, name: &Value| match name.as_text() {
        Some(text) => machine.legal(&Name::parse("name", text)?).map(drop),
        None => Ok(()),
    };
    known(weather, field(state, "weather"))?;
    let factions = field(state, "factions").as_map();
    for faction in factions.into_iter().flat_map(Map::iter).map(|(_, faction)| faction) {
        let relations = field(faction, "relations").as_map();
        for (_, relation) in relations.into_iter().flat_map(Map::iter) {
            known(stances, field(relation, "stance"))?;
        }
    }
    if state.is_null() {
        after.insert("game_time", Value::int(0)?);
        after.insert("weather", Value::text(weather.initial().as_str()));
    }
    let declaration =
        vec![("stances", machine_value(stances)), ("weather", machine_value(weather))];
    after.insert("declaration", Map::from_entries(declaration).into());
    Ok((Value::Map(after.clone()) != *state).then(|| after.into()))
}
