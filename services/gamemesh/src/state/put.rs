//! `gamemesh state put`.

use clap::Args;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, v1};

use super::input::{Condition, Which, read_state, wrote};
use crate::exit::Outcome;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    which: Which,
    /// The state: JSON, @file, or - for standard input
    state: String,
    #[command(flatten)]
    condition: Condition,
}

pub(crate) async fn run(client: &Client, args: PutArgs, out: Output) -> Outcome {
    let state = read_state(&args.state)?;
    let answer = client
        .update_aggregate(v1::UpdateAggregateRequest {
            r#type: args.which.kind.clone(),
            id: args.which.id.clone(),
            change: Some(Change::Replace(state)),
            expected_version: args.condition.expected_version,
            idempotency_key: args.condition.idempotency_key,
            reason: args.condition.reason,
            create_missing: true,
            result_only: true,
            ..Default::default()
        })
        .await?;
    wrote(&args.which, answer.write, out)
}
