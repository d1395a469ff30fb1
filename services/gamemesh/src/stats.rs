//! `gamemesh stats`: matches, boards and ratings on a running server.

mod explain;
mod ingest;
mod matches;
mod player;
mod rank;
mod ratings;
mod top;
mod watch;

use clap::{Args, Subcommand};
use gamemesh_client::stats_v1 as v1;

use crate::exit::{Outcome, Problem};
use crate::output::Output;
use crate::remote::Remote;

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: StatsCommand,
}

#[derive(Debug, Subcommand)]
enum StatsCommand {
    /// Send events from NDJSON files or standard input
    Ingest(ingest::IngestArgs),
    /// Show a match with its players
    Match(matches::MatchArgs),
    /// Show a player over all matches, or in one
    Player(player::PlayerArgs),
    /// Show who leads over all matches, or in one
    Top(top::TopArgs),
    /// Show where a player stands
    Rank(rank::RankArgs),
    /// Show the events that made a number
    Explain(explain::ExplainArgs),
    /// Follow the numbers of a match
    Watch(watch::WatchArgs),
    /// Show players by skill
    Ratings(ratings::RatingsArgs),
}

pub(crate) async fn run(args: StatsArgs, out: Output) -> Outcome {
    let client = args.remote.connect_stats().await?;
    match args.command {
        StatsCommand::Ingest(args) => ingest::run(&client, args, out).await,
        StatsCommand::Match(args) => matches::run(&client, args, out).await,
        StatsCommand::Player(args) => player::run(&client, args, out).await,
        StatsCommand::Top(args) => top::run(&client, args, out).await,
        StatsCommand::Rank(args) => rank::run(&client, args, out).await,
        StatsCommand::Explain(args) => explain::run(&client, args, out).await,
        StatsCommand::Watch(args) => watch::run(&client, args, out).await,
        StatsCommand::Ratings(args) => ratings::run(&client, args, out).await,
    }
}

/// A message of the contract as scripts get it.
fn json(name: &str, message: &impl prost::Message) -> serde_json::Value {
    crate::json::of_message(&format!("gamemesh.stats.v1.{name}"), message)
}

fn failed(status: tonic::Status) -> Problem {
    gamemesh_client::Error::from(status).into()
}

/// A number with at most three digits behind the point, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn ratio(player: &v1::PlayerStats, name: &str) -> String {
    let ratio = player.ratios.get(name).and_then(|ratio| ratio.value);
    ratio.map_or_else(|| "-".to_owned(), number)
}

/// Players as a table, the best first.
fn players(players: &[v1::PlayerStats]) -> String {
    let mut players: Vec<_> = players.iter().collect();
    players.sort_by(|a, b| b.kills.cmp(&a.kills).then_with(|| a.player_id.cmp(&b.player_id)));
    let header =
        ["player", "team", "kills", "deaths", "assists", "k/d", "adr", "kast", "hs", "damage"];
    crate::output::table(
        header,
        players.into_iter().map(|player| {
            [
                player.player_id.clone(),
                player.team.clone(),
                player.kills.to_string(),
                player.deaths.to_string(),
                player.assists.to_string(),
                ratio(player, "kd_ratio"),
                ratio(player, "adr"),
                ratio(player, "kast"),
                ratio(player, "headshot_share"),
                number(player.damage_dealt),
            ]
        }),
    )
}

/// Entries of a board as a table.
fn entries(entries: &[v1::LeaderboardEntry]) -> String {
    crate::output::table(
        ["rank", "player", "value", "of"],
        entries.iter().map(|entry| {
            let of = if entry.denominator == 1.0 {
                String::new()
            } else {
                format!("{} / {}", number(entry.numerator), number(entry.denominator))
            };
            [entry.rank.to_string(), entry.player_id.clone(), number(entry.value), of]
        }),
    )
}
