//! `gamemesh bench`: what this machine does, against baselines of the same run.

mod baseline;
mod connection;
mod disk;
mod durable;
mod fold;
mod hot_read;
mod latency;
mod load;
mod overload;
mod report;
mod sample;
mod server;
mod servers;
mod state;
mod unary;
mod watchers;

use clap::{Args, Subcommand};

use crate::exit::Outcome;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Measure the state service: starts servers of its own on the loopback interface
    State(state::StateBenchArgs),
    /// Measure the state service on servers that are there: PostgreSQL, and Redis and Kafka if given
    Servers(servers::ServersBenchArgs),
    /// Serve what the state service is compared with
    #[command(hide = true)]
    Baseline(baseline::BaselineArgs),
}

impl BenchArgs {
    /// Whether the threads keep to processors of their own: those of a server that the product is compared
    /// with, like the product's.
    pub(crate) fn pins_threads(&self) -> bool {
        matches!(&self.command, BenchCommand::Baseline(args) if args.pins_threads())
    }
}

pub(crate) async fn run(args: BenchArgs, out: Output) -> Outcome {
    match args.command {
        BenchCommand::State(args) => state::run(args, out).await,
        BenchCommand::Servers(args) => servers::run(args, out).await,
        BenchCommand::Baseline(args) => baseline::run(args).await,
    }
}
