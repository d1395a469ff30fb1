use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::document::Command;
use gamemesh_rpc::caller::Caller;

use crate::convert::world::to_plot;
use crate::game::{Game, Order, PLOT, metadata};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::RollbackPlotRequest,
) -> Result<pb::RollbackPlotResponse> {
    let stream = game.stream(PLOT, "plotId", &request.plot_id)?;
    let past = game.read_at(&stream, Some(request.to_version), None, "").await?;
    let command = Command::RollBack { to_version: past.version, state: past.present().cloned() };
    let order = Order {
        stream: stream.clone(),
        expected: caller.expectation(request.expected_version, true)?,
        commands: vec![command],
        event_ids: Vec::new(),
        idempotency: None,
        metadata: metadata(&caller)?,
    };
    let (aggregate, _) = game.write(order).await?;
    Ok(pb::RollbackPlotResponse { plot: Some(to_plot(&stream, &aggregate)) })
}
