//! `gamemesh state`: aggregates of any type on a running server.

mod diff;
mod export;
mod get;
mod history;
mod import;
mod input;
mod patch;
mod put;
mod rollback;
mod watch;

use clap::{Args, Subcommand};

use crate::exit::Outcome;
use crate::output::Output;
use crate::remote::Remote;

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Show an aggregate as it is, or as it was at a version or a time
    Get(get::GetArgs),
    /// Create or replace an aggregate
    Put(put::PutArgs),
    /// Change an aggregate by a merge patch or by operations
    Patch(patch::PatchArgs),
    /// List the events of an aggregate
    History(history::HistoryArgs),
    /// Show what differs between two versions
    Diff(diff::DiffArgs),
    /// Take an aggregate back to an earlier version or time
    Rollback(rollback::RollbackArgs),
    /// Follow changes as they become durable
    Watch(watch::WatchArgs),
    /// Write aggregates from NDJSON
    Import(import::ImportArgs),
    /// Write aggregates to NDJSON
    Export(export::ExportArgs),
}

pub(crate) async fn run(args: StateArgs, out: Output) -> Outcome {
    let client = args.remote.connect().await?;
    match args.command {
        StateCommand::Get(args) => get::run(&client, args, out).await,
        StateCommand::Put(args) => put::run(&client, args, out).await,
        StateCommand::Patch(args) => patch::run(&client, args, out).await,
        StateCommand::History(args) => history::run(&client, args, out).await,
        StateCommand::Diff(args) => diff::run(&client, args, out).await,
        StateCommand::Rollback(args) => rollback::run(&client, args, out).await,
        StateCommand::Watch(args) => watch::run(&client, args, out).await,
        StateCommand::Import(args) => import::run(&client, args, out).await,
        StateCommand::Export(args) => export::run(&client, args, out).await,
    }
}
