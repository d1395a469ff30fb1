use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::document::Value;
use gamemesh_domain::memory::{Machine, Name};
use gamemesh_rpc::caller::Caller;

use crate::convert::world::{from_transitions, machine_value, to_plot};
use crate::game::{Document, Game, PLOT, field, metadata};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::DeclarePlotRequest,
) -> Result<pb::DeclarePlotResponse> {
    let stream = game.stream(PLOT, "plotId", &request.plot_id)?;
    let machine = from_transitions("declaration", request.declaration.as_ref())?;
    let document = Document {
        stream: stream.clone(),
        expected: caller.expectation(request.expected_version, false)?,
        idempotency: None,
        metadata: metadata(&caller)?,
        create: true,
    };
    let decided = game.decide(document, |state| declare(state, &machine)).await?;
    Ok(pb::DeclarePlotResponse { plot: Some(to_plot(&stream, &decided.after)) })
}

/// The stage that the plot has must be declared still.
fn declare(state: &Value, machine: &Machine) -> Result<Option<Value>> {
    let mut after = state.as_map().cloned().unwrap_or_default();
    match field(state, "stage").as_text() {
        Some(stage) => drop(machine.legal(&Name::parse("stage", stage)?)?),
        None => drop(after.insert("stage", Value::text(machine.initial().as_str()))),
    }
    after.insert("declaration", machine_value(machine));
    Ok((Value::Map(after.clone()) != *state).then(|| after.into()))
}
