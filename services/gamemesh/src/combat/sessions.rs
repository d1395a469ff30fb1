//! `gamemesh combat sessions`.

use clap::Args;
use gamemesh_contracts::combat::v1 as pb;

use super::{Service, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    /// Only with this status: waiting, active, paused, ended, aborted
    #[arg(long, default_value = "", hide_default_value = true)]
    status: String,
    /// Only on this map
    #[arg(long, default_value = "", hide_default_value = true)]
    map: String,
    /// Only in this mode
    #[arg(long, default_value = "", hide_default_value = true)]
    mode: String,
    /// Only those in which this player takes part
    #[arg(long, default_value = "", hide_default_value = true)]
    player: String,
    /// How many, at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=500))]
    limit: i32,
}

pub(super) async fn run(mut service: Service, args: SessionsArgs, out: Output) -> Outcome {
    let request = pb::ListSessionsRequest {
        status: args.status,
        map_id: args.map,
        game_mode: args.mode,
        player_id: args.player,
        page_size: args.limit,
        page_token: String::new(),
    };
    let listed = service.list_sessions(request).await.map_err(refused)?.into_inner();
    if out.is_json() {
        for session in &listed.sessions {
            out.text(&shown("Session", session).to_string())?;
        }
        return Ok(Exit::Done);
    }
    let rows = listed.sessions.iter().map(|session| {
        let seated = session.participants.iter().filter(|player| !player.left).count();
        [
            session.session_id.clone(),
            session.status.clone(),
            session.game_mode.clone(),
            session.map_id.clone(),
            format!("{seated}/{}", session.max_players),
            session.name.clone(),
        ]
    });
    out.text(&table(["session", "status", "mode", "map", "players", "name"], rows))?;
    Ok(Exit::Done)
}
