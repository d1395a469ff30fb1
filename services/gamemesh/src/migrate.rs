//! `gamemesh migrate`.

use clap::Args;
use gamemesh_backends::Migrated;
use gamemesh_repository::LogName;
use serde_json::{Value, json};

use crate::exit::{Exit, Outcome};
use crate::log::Store;
use crate::opened::logs_of;
use crate::output::Output;
use crate::roles::ROLES;

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    store: Store,
    /// Only the log of this service: state, combat, stats or memory; may be given several times
    /// [default: the logs of all services of this program]
    #[arg(long)]
    log: Vec<LogName>,
}

pub(crate) async fn run(args: MigrateArgs, out: Output) -> Outcome {
    let logs = if args.log.is_empty() { logs_of(&ROLES)? } else { args.log };
    let mut all = Vec::new();
    for log in logs {
        all.push((log, gamemesh_backends::migrate(&args.store.database_url, log).await?));
    }
    out.answer(&together(&all), || {
        let each: Vec<String> = all.iter().map(describe).collect();
        each.join("\n")
    })?;
    Ok(Exit::Done)
}

/// `from` and `to` are those of the first log; each log is listed by itself.
fn together(all: &[(LogName, Migrated)]) -> Value {
    let first = all.first().map(|(_, migrated)| migrated);
    let each = all.iter().map(
        |(log, migrated)| json!({ "log": log.as_str(), "from": migrated.from, "to": migrated.to }),
    );
    json!({
        "from": first.map(|migrated| migrated.from),
        "to": first.map(|migrated| migrated.to),
        "logs": each.collect::<Vec<_>>(),
    })
}

fn describe((log, migrated): &(LogName, Migrated)) -> String {
    match (migrated.from, migrated.to) {
        (0, to) => format!("the log of {log} is new, with schema {to}"),
        (from, to) if from == to => format!("the schema of {log} is {to} already"),
        (from, to) => format!("the schema of {log} went from {from} to {to}"),
    }
}
