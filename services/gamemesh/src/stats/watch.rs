//! `gamemesh stats watch`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{failed, json, matches};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The match
    #[arg(value_name = "MATCH")]
    id: String,
    /// End after so many versions
    #[arg(long)]
    count: Option<u64>,
    /// Not more often than this, in milliseconds
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(i64).range(20..=60_000))]
    interval: i64,
}

pub(crate) async fn run(client: &StatsClient, args: WatchArgs, out: Output) -> Outcome {
    let (mut left, mut seen) = (args.count.unwrap_or(u64::MAX), 0);
    while left > 0 {
        let request = v1::WatchMatchRequest {
            match_id: args.id.clone(),
            interval: Some(prost_types::Duration {
                seconds: args.interval / 1_000,
                nanos: (args.interval % 1_000 * 1_000_000) as i32,
            }),
            after_version: seen,
        };
        let mut watch = client.streams().watch_match(request).await.map_err(failed)?.into_inner();
        while left > 0 {
            let next = tokio::select! {
                next = watch.message() => next,
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            };
            let shown = match next {
                Ok(Some(message)) => message.r#match.unwrap_or_default(),
                Ok(None) => break,
                // The server drains: the watch goes on where it was.
                Err(status) if status.code() == tonic::Code::Unavailable => {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    break;
                }
                Err(status) => return Err(failed(status)),
            };
            seen = shown.version;
            left -= 1;
            if out.is_json() {
                out.text(&json("MatchStats", &shown).to_string())?;
            } else {
                out.text(&format!("{}\n", matches::describe(&shown)))?;
            }
        }
    }
    Ok(Exit::Done)
}
