//! `gamemesh stats rank`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{entries, failed, json, number};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct RankArgs {
    /// The player
    #[arg(value_name = "PLAYER")]
    player: String,
    /// The metric, such as kills, adr or kd_ratio
    #[arg(default_value = "kills")]
    metric: String,
    /// all, season, week, day, or one by its name, such as 2026-W01
    #[arg(long, default_value = "all")]
    window: String,
    /// So many of the board around the player
    #[arg(long, default_value_t = 5)]
    around: i32,
}

pub(crate) async fn run(client: &StatsClient, args: RankArgs, out: Output) -> Outcome {
    let request = v1::GetRankRequest {
        metric: args.metric,
        player_id: args.player,
        window: args.window,
        around: args.around,
        ..Default::default()
    };
    let answer = client.calls().get_rank(request).await.map_err(failed)?.into_inner();
    out.answer(&json("GetRankResponse", &answer), || {
        let entry = answer.entry.clone().unwrap_or_default();
        let line = format!(
            "{} is {} of {} with {}, among the best {} %",
            entry.player_id,
            entry.rank,
            answer.total,
            number(entry.value),
            number(answer.top_percent)
        );
        format!("{line}\n\n{}", entries(&answer.around))
    })?;
    Ok(Exit::Done)
}
