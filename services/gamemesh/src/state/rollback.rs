//! `gamemesh state rollback`.

use clap::Args;
use gamemesh_client::v1::rollback_aggregate_request::Target;
use gamemesh_client::{Client, v1};

use super::diff::describe;
use super::input::{Condition, Which};
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::{json, time};

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    target: TargetArgs,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    condition: Condition,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// To this version
    #[arg(long, value_name = "VERSION")]
    to_version: Option<i64>,
    /// To what it was at this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to_time: Option<String>,
}

pub(crate) async fn run(client: &Client, args: RollbackArgs, out: Output) -> Outcome {
    let target = match (args.target.to_version, args.target.to_time) {
        (Some(version), _) => Some(Target::ToVersion(version)),
        (None, Some(text)) => Some(Target::ToTime(time::parse(&text)?)),
        (None, None) => None,
    };
    let answer = client
        .rollback_aggregate(v1::RollbackAggregateRequest {
            r#type: args.which.kind.clone(),
            id: args.which.id.clone(),
            target,
            dry_run: args.dry_run,
            expected_version: args.condition.expected_version,
            idempotency_key: args.condition.idempotency_key,
            reason: args.condition.reason,
            ..Default::default()
        })
        .await?;
    out.answer(&json::of("RollbackAggregateResponse", &answer), || {
        let end = match &answer.write {
            Some(write) => {
                format!("{} {} is at version {}", args.which.kind, args.which.id, write.version)
            }
            None => "nothing was written: this was a dry run".to_owned(),
        };
        format!("{}\n{end}", describe(&answer.differences))
    })?;
    Ok(Exit::Done)
}
