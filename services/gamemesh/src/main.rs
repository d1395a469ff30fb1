//! The one binary: serve and command line.

mod backend_metrics;
mod combat;
mod doctor;
mod exit;
mod gateway;
mod heap;
mod json;
mod log;
mod memory;
mod migrate;
mod opened;
mod output;
mod progress;
mod remote;
mod roles;
mod runtime;
mod serve;
mod state;
mod stats;
mod time;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::{EXIT_CODES, Outcome};
use crate::output::Output;

/// The backend behind multiplayer games: authoritative state, durable and replayable.
#[derive(Debug, Parser)]
#[command(name = "gamemesh", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// JSON instead of tables and text; lists as one document a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the services: gRPC, REST, WebSocket, health and metrics on one port
    Serve(Box<serve::ServeArgs>),
    /// Bring the store's schema up to date
    Migrate(migrate::MigrateArgs),
    /// Transcode REST to any gRPC service whose contracts have google.api.http rules
    Gateway(gateway::GatewayArgs),
    /// Read, write, watch and rewind aggregates on a running server
    State(state::StateArgs),
    /// Send events of matches, and look at figures, boards, ratings and their causes
    Stats(stats::StatsArgs),
    /// Create, watch, replay and verify combat sessions on a running server
    Combat(combat::CombatArgs),
    /// What NPCs remember, what the world is, what was done in it, on a running server
    Memory(Box<memory::MemoryArgs>),
    /// Check and measure the event log in a store
    Log(log::LogArgs),
    /// Make a token for development and tests
    Token(token::TokenArgs),
    /// Check configuration, dependencies and machine, and say what to do
    Doctor(Box<doctor::DoctorArgs>),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    match run(cli.command, out) {
        Ok(exit) => exit.into(),
        Err(problem) => {
            out.problem(&problem);
            problem.exit.into()
        }
    }
}

fn run(command: Command, out: Output) -> Outcome {
    match command {
        Command::Serve(args) => {
            let config = args.config()?;
            runtime::run_pinned(config.tuning.pin_threads, serve::run(config))
        }
        Command::Migrate(args) => runtime::run(migrate::run(args, out)),
        Command::Gateway(args) => runtime::run(gateway::run(args)),
        Command::State(args) => runtime::run(state::run(args, out)),
        Command::Stats(args) => runtime::run(stats::run(args, out)),
        Command::Combat(args) => runtime::run(combat::run(args, out)),
        Command::Memory(args) => runtime::run(memory::run(*args, out)),
        Command::Log(args) => runtime::run(log::run(args, out)),
        Command::Token(args) => token::run(args, out),
        Command::Doctor(args) => runtime::run(doctor::run(*args, out)),
    }
}
