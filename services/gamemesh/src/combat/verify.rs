//! `gamemesh combat verify`.

use clap::Args;
use gamemesh_contracts::combat::v1 as pb;

use super::{Service, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Id of the session
    session: String,
}

pub(super) async fn run(mut service: Service, args: VerifyArgs, out: Output) -> Outcome {
    let request = pb::VerifyReplayRequest { session_id: args.session };
    let found = service.verify_replay(request).await.map_err(refused)?.into_inner();
    out.answer(&shown("VerifyReplayResponse", &found), || describe(&found))?;
    Ok(if found.agrees { Exit::Done } else { Exit::Failed })
}

fn describe(found: &pb::VerifyReplayResponse) -> String {
    let counts = format!(
        "{} ticks, {} commands, {} state hashes, {} keyframes",
        found.ticks, found.commands, found.hashes, found.keyframes
    );
    match &found.divergence {
        None => format!("agrees: {counts}"),
        Some(first) => format!(
            "differs at tick {} in {}: recorded {}, folded {} ({counts})",
            first.tick, first.field, first.recorded, first.folded
        ),
    }
}
