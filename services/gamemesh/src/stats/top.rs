//! `gamemesh stats top`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{entries, failed, json};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The metric, such as kills, adr or kd_ratio
    #[arg(default_value = "kills")]
    metric: String,
    /// In this match only
    #[arg(long = "match", value_name = "MATCH", conflicts_with = "window")]
    of: Option<String>,
    /// all, season, week, day, or one by its name, such as 2026-W01
    #[arg(long, default_value = "all")]
    window: String,
    /// At most so many
    #[arg(long, default_value_t = 10)]
    limit: i32,
    /// The least first
    #[arg(long)]
    ascending: bool,
}

pub(crate) async fn run(client: &StatsClient, args: TopArgs, out: Output) -> Outcome {
    let TopArgs { metric, of, window, limit, ascending } = args;
    let order = if ascending { v1::Order::Ascending } else { v1::Order::Descending }.into();
    if let Some(match_id) = of {
        let request =
            v1::GetMatchLeaderboardRequest { match_id, metric, limit, order, ..Default::default() };
        let answer =
            client.calls().get_match_leaderboard(request).await.map_err(failed)?.into_inner();
        out.answer(&json("GetMatchLeaderboardResponse", &answer), || entries(&answer.entries))?;
        return Ok(Exit::Done);
    }
    let request = v1::GetLeaderboardRequest { metric, window, limit, order, ..Default::default() };
    let answer = client.calls().get_leaderboard(request).await.map_err(failed)?.into_inner();
    out.answer(&json("GetLeaderboardResponse", &answer), || entries(&answer.entries))?;
    Ok(Exit::Done)
}
