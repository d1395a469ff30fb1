use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::{Map, Value};
use gamemesh_domain::memory::Name;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::caller::Caller;

use crate::convert::world::{machine_of, to_plot};
use crate::game::{Document, Game, PLOT, field, metadata};

const NAMES_MAX: usize = 1_000;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::AdvancePlotRequest,
) -> Result<pb::AdvancePlotResponse> {
    let idempotency = caller.idempotency("AdvancePlot", &request.idempotency_key, &request)?;
    let stream = game.stream(PLOT, "plotId", &request.plot_id)?;
    let document = Document {
        stream: stream.clone(),
        expected: caller.expectation(request.expected_version, false)?,
        idempotency,
        metadata: metadata(&caller)?,
        create: false,
    };
    let decided = game.decide(document, |state| advance(state, &request)).await?;
    let stage = |state: &Value| field(state, "stage").as_text().map(ToOwned::to_owned);
    Ok(pb::AdvancePlotResponse {
        moved: stage(&decided.before.state) != stage(&decided.after.state),
        plot: Some(to_plot(&stream, &decided.after)),
    })
}

fn advance(state: &Value, request: &pb::AdvancePlotRequest) -> Result<Option<Value>> {
    let mut after = state.as_map().cloned().unwrap_or_default();
    if !request.stage.is_empty() {
        let machine = machine_of(field(state, "declaration"))?;
        let from = Name::parse("stage", field(state, "stage").as_text().unwrap_or_default())?;
        let to = Name::parse("stage", &request.stage)?;
        machine.step(&from, &to)?;
        after.insert("stage", Value::text(to.as_str()));
    }
    let mut branches = field(state, "branches").as_map().cloned().unwrap_or_default();
    for (branch, choice) in &request.branches {
        let (branch, choice) = (Name::parse("branches", branch)?, Name::parse("branches", choice)?);
        match branches.get(branch.as_str()).and_then(Value::as_text) {
            Some(chosen) if chosen != choice.as_str() => {
                let message = format!("{branch} was chosen to be {chosen}");
                return Err(Error::new(Code::OperationRefused, message)
                    .with_fact("branch", &branch)
                    .with_fact("chosen", chosen));
            }
            _ => drop(branches.insert(branch.as_str(), Value::text(choice.as_str()))),
        }
    }
    let mut flags = field(state, "flags").as_map().cloned().unwrap_or_default();
    for (flag, value) in &request.flags {
        flags.insert(Name::parse("flags", flag)?.as_str(), Value::Bool(*value));
    }
    for (name, map) in [("branches", branches), ("flags", flags)] {
        bounded(name, &map)?;
        if !map.is_empty() {
            after.insert(name, map.into());
        }
    }
    Ok((Value::Map(after.clone()) != *state).then(|| after.into()))
}

fn bounded(name: &str, map: &Map) -> Result<()> {
    match map.len() <= NAMES_MAX {
        true => Ok(()),
        false => Err(Error::invalid(name, format!("a plot has at most {NAMES_MAX}"))),
    }
}
