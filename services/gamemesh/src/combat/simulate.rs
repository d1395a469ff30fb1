//! `gamemesh combat simulate`: bots that play over real sockets.

mod bot;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gamemesh_contracts::combat::v1 as pb;
use serde_json::json;
use tokio::task::JoinSet;

use self::bot::Bot;
use super::{Server, refused};
use crate::exit::{Exit, Outcome, Problem};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Id of a session; without it one is created
    session: Option<String>,
    /// Bots
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=128))]
    bots: u32,
    /// How long, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// What the first bot does that he may not
    #[arg(long, value_enum, default_value_t = Cheat::None)]
    cheat: Cheat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cheat {
    /// Nothing
    None,
    /// Walks twice as fast
    Speed,
    /// Jumps across the map
    Teleport,
    /// Runs his clock twice as fast
    Clock,
    /// Fires four times as fast
    Rate,
    /// Shoots from where he is not
    Origin,
    /// Claims to have seen the future
    Future,
}

/// What a bot was told.
#[derive(Debug, Default)]
struct Tally {
    shots: u64,
    hits: u64,
    corrections: u64,
    reasons: BTreeMap<String, u64>,
    events: u64,
}

pub(super) async fn run(server: Server, args: SimulateArgs, out: Output) -> Outcome {
    let mut service = server.service().await?;
    let session = match args.session {
        Some(session) => session,
        None => {
            let request = pb::CreateSessionRequest {
                name: "simulation".to_owned(),
                max_players: args.bots as i32,
                policy: Some(pb::SessionPolicy {
                    auto_start_players: Some(args.bots as i32),
                    ..pb::SessionPolicy::default()
                }),
                ..pb::CreateSessionRequest::default()
            };
            let created = service.create_session(request).await.map_err(refused)?.into_inner();
            created.session.unwrap_or_default().session_id
        }
    };
    let mut bots = JoinSet::new();
    for number in 0..args.bots {
        let cheat = if number == 0 { args.cheat } else { Cheat::None };
        let bot = Bot::new(&server, &session, number, cheat);
        bots.spawn(async move { (number, bot.play(Duration::from_secs(args.seconds)).await) });
    }
    let mut tallies = BTreeMap::new();
    while let Some(played) = bots.join_next().await {
        let (number, tally) = played.map_err(Problem::failed)?;
        tallies.insert(number, tally?);
    }
    let value = json!({
        "sessionId": session,
        "bots": tallies.iter().map(|(number, tally)| json!({
            "playerId": format!("bot-{number}"),
            "shots": tally.shots,
            "hits": tally.hits,
            "corrections": tally.corrections,
            "reasons": tally.reasons,
            "events": tally.events,
        })).collect::<Vec<_>>(),
    });
    out.answer(&value, || {
        let rows = tallies.iter().map(|(number, tally)| {
            let reasons = tally.reasons.iter().map(|(name, count)| format!("{name} {count}"));
            [
                format!("bot-{number}"),
                tally.shots.to_string(),
                tally.hits.to_string(),
                tally.corrections.to_string(),
                reasons.collect::<Vec<_>>().join(", "),
            ]
        });
        let shown = table(["bot", "shots", "hits", "corrections", "verdicts"], rows);
        format!("session {session}\n{shown}")
    })?;
    Ok(Exit::Done)
}
