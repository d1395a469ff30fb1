//! `gamemesh log`: the event logs of a store, read directly. It works beside a running server.

mod stats;
mod verify;

use clap::{Args, Subcommand};
use gamemesh_backends::Backends;
use gamemesh_repository::LogName;

use crate::exit::Outcome;
use crate::output::Output;

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct Store {
    /// The store: sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://data/gamemesh.db",
        global = true
    )]
    pub(crate) database_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    store: Store,
    /// Only the log of this service: state, combat, stats or memory [default: every log that is there]
    #[arg(long, global = true)]
    log: Option<LogName>,
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Check every checksum, the chain, and that versions and positions are without gaps
    Verify,
    /// Say how large the logs are
    Stats,
}

pub(crate) async fn run(args: LogArgs, out: Output) -> Outcome {
    let url = &args.store.database_url;
    let mut logs = match args.log {
        Some(log) => vec![log],
        None => gamemesh_backends::present(url).await?,
    };
    if logs.is_empty() {
        // Opening it says what is missing, and where it was looked for.
        logs.push(LogName::State);
    }
    let mut opened: Vec<(LogName, Backends)> = Vec::new();
    for log in logs {
        opened.push((log, gamemesh_backends::open_read_only(url, log).await?));
    }
    match args.command {
        LogCommand::Verify => verify::run(&opened, out).await,
        LogCommand::Stats => stats::run(&opened, out).await,
    }
}
