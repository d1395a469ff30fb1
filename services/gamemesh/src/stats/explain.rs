//! `gamemesh stats explain`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{failed, json, number};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};
use crate::time;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The player
    #[arg(value_name = "PLAYER")]
    player: String,
    /// The metric, such as kills, adr or kd_ratio
    metric: String,
    /// In this match only
    #[arg(long = "match", value_name = "MATCH", default_value = "", hide_default_value = true)]
    of: String,
    /// At most so many events
    #[arg(long, default_value_t = 100)]
    limit: i32,
    /// Of the page before
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
}

pub(crate) async fn run(client: &StatsClient, args: ExplainArgs, out: Output) -> Outcome {
    let request = v1::ExplainStatRequest {
        player_id: args.player,
        metric: args.metric,
        match_id: args.of,
        limit: args.limit,
        page_token: args.page_token,
    };
    let answer = client.calls().explain_stat(request).await.map_err(failed)?.into_inner();
    out.answer(&json("ExplainStatResponse", &answer), || {
        let causes = table(
            ["time", "match", "event", "id", "figure", "before", "after"],
            answer.causes.iter().map(|cause| {
                [
                    time::show(cause.timestamp.as_ref()),
                    cause.match_id.clone(),
                    cause.event_type.clone(),
                    cause.event_id.clone(),
                    cause.figure.clone(),
                    number(cause.before),
                    number(cause.after),
                ]
            }),
        );
        let definition = answer.definition.clone().unwrap_or_default();
        format!(
            "{} = {} / {}\n{}\n\n{causes}",
            definition.name,
            number(answer.numerator),
            number(answer.denominator),
            definition.definition
        )
    })?;
    if !answer.next_page_token.is_empty() {
        out.note(&format!("more with --page-token {}", answer.next_page_token));
    }
    Ok(Exit::Done)
}
