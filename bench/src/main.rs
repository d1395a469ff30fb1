//! `gamemesh-bench`: what gamemesh does on this machine, against baselines of the same run.
//!
//! A suite is a file: its arguments, its measures, and a line in [`Suite`]. What suites share is beside them:
//! what stands around measures (`suite`), load in closed and open loops (`load`, `unary`), servers under test (`server`), pairs and tables (`report`).

mod baseline;
mod combat;
mod connection;
mod disk;
mod exit;
mod json;
mod load;
mod memory;
mod output;
mod report;
mod server;
mod servers;
mod state;
mod stats;
mod suite;
mod unary;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::{Outcome, Problem};
use crate::output::Output;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measure gamemesh on this machine, in interleaved pairs with baselines.
///
/// The server under test is the program that GAMEMESH_BIN names; without it, the `gamemesh` beside this
/// program.
#[derive(Debug, Parser)]
#[command(name = "gamemesh-bench", version, max_term_width = 100)]
struct Cli {
    /// JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Measure the state service: starts servers of its own on the loopback interface
    State(state::StateBenchArgs),
    /// Measure the state service on servers that are there: PostgreSQL, and Redis and Kafka if given
    Servers(servers::ServersBenchArgs),
    /// Measure the combat service: players over sockets of their own
    Combat(combat::CombatBenchArgs),
    /// Measure the memory service: starts servers of its own, on a file or on PostgreSQL
    Memory(memory::MemoryBenchArgs),
    /// Measure the stats service: starts servers of its own on the loopback interface
    Stats(stats::StatsBenchArgs),
    /// Serve what the product is compared with
    #[command(hide = true)]
    Baseline(baseline::BaselineArgs),
}

impl Suite {
    /// Whether the threads keep to processors of their own: those of a server that the product is compared
    /// with, like the product's.
    fn pins_threads(&self) -> bool {
        matches!(self, Self::Baseline(args) if args.pins_threads())
    }

    async fn run(self, out: Output) -> Outcome {
        match self {
            Self::State(args) => state::run(args, out).await,
            Self::Servers(args) => servers::run(args, out).await,
            Self::Combat(args) => combat::run(args, out).await,
            Self::Memory(args) => memory::run(args, out).await,
            Self::Stats(args) => stats::run(args, out).await,
            Self::Baseline(args) => baseline::run(args).await,
        }
    }
}

#[expect(clippy::print_stderr, reason = "that is where a person looks for it")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.suite, Output::new(cli.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(suite: Suite, out: Output) -> Outcome {
    let runtime = gamemesh_launch::runtime(suite.pins_threads()).map_err(Problem::failed)?;
    runtime.block_on(suite.run(out))
}
