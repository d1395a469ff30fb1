//! `gamemesh combat explain`.

use clap::Args;
use gamemesh_contracts::combat::v1 as pb;

use super::{Service, line, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Id of the session
    session: String,
    /// Who fired
    player: String,
    /// The player's number of the shot
    shot: u64,
}

pub(super) async fn run(mut service: Service, args: ExplainArgs, out: Output) -> Outcome {
    let request = pb::ExplainDamageRequest {
        session_id: args.session,
        player_id: args.player,
        shot: args.shot,
    };
    let found = service.explain_damage(request).await.map_err(refused)?.into_inner();
    out.answer(&shown("ExplainDamageResponse", &found), || {
        let verdict = found.verdict.clone().unwrap_or_default();
        let outcome = if verdict.accepted { "accepted" } else { "refused" };
        let rows =
            verdict.evidence.iter().map(|e| [e.name.clone(), e.value.to_string(), e.unit.clone()]);
        let mut text = format!(
            "shot {} of {} at tick {}: {outcome}, {}\n{}",
            verdict.number,
            verdict.player_id,
            verdict.tick,
            verdict.reason,
            table(["measured", "value", "unit"], rows)
        );
        for event in &found.events {
            text.push('\n');
            text.push_str(&line(&shown("CombatEvent", event)));
        }
        text
    })?;
    Ok(Exit::Done)
}
