use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::memory::Name;
use gamemesh_rpc::caller::Caller;

use crate::convert::world::{machine_of, to_plot};
use crate::game::{Game, PLOT, field};

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::GetPlotRequest,
) -> Result<pb::GetPlotResponse> {
    let stream = game.stream(PLOT, "plotId", &request.plot_id)?;
    let at_time = request.at_time.as_ref();
    let aggregate = game.read_at(&stream, request.version, at_time, "").await?;
    // A stage whose declaration is gone is told by its name.
    let machine = machine_of(field(&aggregate.state, "declaration"))?;
    let stage = field(&aggregate.state, "stage").as_text().unwrap_or_default();
    machine.legal(&Name::parse("stage", stage)?)?;
    Ok(pb::GetPlotResponse { plot: Some(to_plot(&stream, &aggregate)) })
}
