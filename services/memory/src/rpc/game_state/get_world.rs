use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::document::Value;
use gamemesh_domain::memory::Name;
use gamemesh_rpc::caller::Caller;

use crate::convert::world::{machine_of, to_world};
use crate::game::{Game, WORLD, field};

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::GetWorldRequest,
) -> Result<pb::GetWorldResponse> {
    let stream = game.stream(WORLD, "worldId", &request.world_id)?;
    let at_time = request.at_time.as_ref();
    let aggregate = game.read_at(&stream, request.version, at_time, "").await?;
    // A state whose declaration is gone is told by its name.
    check_weather(&aggregate.state)?;
    Ok(pb::GetWorldResponse { world: Some(to_world(&stream, &aggregate)) })
}

fn check_weather(state: &Value) -> Result<()> {
    let machine = machine_of(field(field(state, "declaration"), "weather"))?;
    let weather = field(state, "weather").as_text().unwrap_or_default();
    machine.legal(&Name::parse("weather", weather)?).map(drop)
}
