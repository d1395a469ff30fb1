//! `gamemesh state diff`.

use clap::Args;
use gamemesh_client::{Client, v1};
use serde_json::Value;

use super::input::Which;
use crate::exit::{Exit, Outcome};
use crate::json;
use crate::output::{Output, short, table};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    which: Which,
    /// The earlier version; 0 for the empty state before the first
    #[arg(long, value_name = "VERSION")]
    from: i64,
    /// The later version; the newest if absent
    #[arg(long, value_name = "VERSION", default_value_t = 0, hide_default_value = true)]
    to: i64,
}

pub(crate) async fn run(client: &Client, args: DiffArgs, out: Output) -> Outcome {
    let answer = client
        .diff_aggregate(v1::DiffAggregateRequest {
            r#type: args.which.kind,
            id: args.which.id,
            from: args.from,
            to: args.to,
        })
        .await?;
    out.answer(&json::of("DiffAggregateResponse", &answer), || describe(&answer.differences))?;
    Ok(Exit::Done)
}

/// Differences as a table, with the marks of `diff`.
pub(super) fn describe(differences: &[v1::Difference]) -> String {
    if differences.is_empty() {
        return "no difference".to_owned();
    }
    let rows = differences.iter().map(|difference| {
        let shown = json::of("Difference", difference);
        let mark = match shown["kind"].as_str() {
            Some("KIND_ADDED") => "+",
            Some("KIND_REMOVED") => "-",
            _ => "~",
        };
        let side = |name: &str| short(shown.get(name).unwrap_or(&Value::Null));
        [mark.to_owned(), difference.path.clone(), side("from"), side("to")]
    });
    table(["", "path", "from", "to"], rows)
}
