//! `gamemesh combat replay`.

use clap::Args;
use gamemesh_contracts::combat::v1 as pb;

use super::{Service, line, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Id of the session
    session: String,
    /// Begin at this tick
    #[arg(long, default_value_t = 0)]
    from_tick: u32,
    /// Begin so many milliseconds after the first tick
    #[arg(long, default_value_t = 0)]
    from_ms: u64,
    /// 0.25 to 8 times as fast as it was; 0: as fast as it can be read
    #[arg(long, default_value_t = 0.0)]
    speed: f64,
    /// Only events that concern this player; may be given more than once
    #[arg(long)]
    player: Vec<String>,
    /// Only events of this kind, such as died; may be given more than once
    #[arg(long)]
    kind: Vec<String>,
    /// Pictures too, with --json
    #[arg(long)]
    pictures: bool,
}

pub(super) async fn run(mut service: Service, args: ReplayArgs, out: Output) -> Outcome {
    let request = pb::ReplaySessionRequest {
        session_id: args.session,
        from_tick: args.from_tick,
        from_ms: args.from_ms,
        speed: args.speed,
        player_ids: args.player,
        kinds: args.kind,
        events_only: !args.pictures,
        ..pb::ReplaySessionRequest::default()
    };
    let mut replay = service.replay_session(request).await.map_err(refused)?.into_inner();
    while let Some(part) = replay.message().await.map_err(refused)? {
        if out.is_json() {
            out.text(&shown("ReplaySessionResponse", &part).to_string())?;
            continue;
        }
        for event in part.frame.iter().flat_map(|frame| &frame.events) {
            out.text(&line(&shown("CombatEvent", event)))?;
        }
        if let Some(end) = part.end {
            let whole = if end.whole { "whole".to_owned() } else { end.reason };
            out.note(&format!("to tick {}, event {}: {whole}", end.tick, end.event_seq));
        }
    }
    Ok(Exit::Done)
}
