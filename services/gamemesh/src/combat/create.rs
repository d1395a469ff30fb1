//! `gamemesh combat create`.

use clap::Args;
use gamemesh_contracts::combat::v1 as pb;

use super::{Service, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name, for people
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    /// Id of a map of the content
    #[arg(long, default_value = "", hide_default_value = true)]
    map: String,
    /// Id of a mode of the content
    #[arg(long, default_value = "deathmatch")]
    mode: String,
    /// Seats
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(i32).range(1..=128))]
    players: i32,
    /// Play begins by itself when so many players are there
    #[arg(long, value_name = "PLAYERS")]
    auto_start: Option<i32>,
    /// Frames to clients a second
    #[arg(long)]
    tick_hz: Option<i32>,
    /// How far spectators are behind, in seconds: 0, 10, 30, 60, 120
    #[arg(long)]
    delay: Option<i32>,
    /// A repeated call with the same key answers the first session
    #[arg(long, default_value = "", hide_default_value = true)]
    key: String,
}

pub(super) async fn run(mut service: Service, args: CreateArgs, out: Output) -> Outcome {
    let request = pb::CreateSessionRequest {
        name: args.name,
        map_id: args.map,
        game_mode: args.mode,
        max_players: args.players,
        idempotency_key: args.key,
        policy: Some(pb::SessionPolicy {
            auto_start_players: args.auto_start,
            tick_hz: args.tick_hz,
            spectator_delay_s: args.delay,
            ..pb::SessionPolicy::default()
        }),
        ..pb::CreateSessionRequest::default()
    };
    let created = service.create_session(request).await.map_err(refused)?.into_inner();
    let session = created.session.unwrap_or_default();
    out.answer(&shown("Session", &session), || session.session_id.clone())?;
    Ok(Exit::Done)
}
