//! `gamemesh state get`.

use clap::Args;
use gamemesh_client::{Client, v1};

use super::input::{Which, describe};
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::{json, time};

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    which: Which,
    /// As it was at this version
    #[arg(long, conflicts_with = "at")]
    version: Option<i64>,
    /// As it was at this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(crate) async fn run(client: &Client, args: GetArgs, out: Output) -> Outcome {
    let answer = client
        .get_aggregate(v1::GetAggregateRequest {
            r#type: args.which.kind,
            id: args.which.id,
            version: args.version,
            at_time: args.at.as_deref().map(time::parse).transpose()?,
            ..Default::default()
        })
        .await?;
    let aggregate = answer.aggregate.unwrap_or_default();
    out.answer(&json::of("Aggregate", &aggregate), || describe(&aggregate))?;
    Ok(Exit::Done)
}
