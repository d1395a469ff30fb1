//! `gamemesh-bench combat`: every measure in turn.

mod api;
mod arena;
mod connections;
mod cpu;
mod crowd;
mod damage;
mod parts;
mod player;
mod positions;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::exit::{Outcome, Problem};
use crate::output::Output;
use crate::report::{Row, markdown};
use crate::suite;

/// A measure that takes longer has failed. All of them together take less than three minutes.
const MEASURE_TIMEOUT: Duration = Duration::from_secs(100);

#[derive(Debug, Clone, Args)]
pub(crate) struct CombatBenchArgs {
    /// Players who are connected at once
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(40..=15_000))]
    connections: u32,
    /// Players who shoot at each other
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(20..=4_000))]
    shooters: u32,
    /// Positions a second, of players who each send ten
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(200..=40_000))]
    positions: u32,
    /// Requests a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    requests: u32,
    /// Players whose processor time is measured
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=5_000))]
    players: u32,
    /// Measurements of each kind; medians are shown
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pairs: u32,
    /// Length of each
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Folder for the databases, on the disk that is to be measured; a temporary one if absent
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Connections that stay open, and their memory
    Connections,
    /// Damage a second, and its latency at half of it
    Damage,
    /// Positions a second, and their latency
    Positions,
    /// Latency of requests over REST
    Api,
    /// Processor time of connections, beside a bare echo
    Cpu,
}

pub(crate) async fn run(args: CombatBenchArgs, out: Output) -> Outcome {
    let dir = suite::begin(args.dir.as_deref(), &out)?;
    let mut rows: Vec<Row> = Vec::new();
    for measure in suite::chosen(&args.only).copied() {
        let name = suite::name(&measure);
        out.note(&format!("measuring {name}"));
        let dir = dir.path();
        let measured = async {
            match measure {
                Measure::Connections => connections::stay_open(&args, dir).await,
                Measure::Damage => damage::damage(&args, dir).await,
                Measure::Positions => positions::positions(&args, dir).await,
                Measure::Api => Ok(vec![api::requests(&args, dir).await?]),
                Measure::Cpu => cpu::beside_echo(&args, dir).await,
            }
        };
        let late = |_| Problem::failed(format!("{name}: not measured within {MEASURE_TIMEOUT:?}"));
        rows.extend(tokio::time::timeout(MEASURE_TIMEOUT, measured).await.map_err(late)??);
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let setting = json!({
        "pairs": args.pairs,
        "seconds": args.duration.as_secs_f64(),
        "cores": cores,
        "release": !cfg!(debug_assertions),
    });
    out.answer(&json!({ "setting": setting, "rows": rows }), || {
        let heading = format!(
            "Medians of {} measurements of {:?} each; {cores} cores, load generator included.",
            args.pairs, args.duration
        );
        markdown(&rows, &heading)
    })?;
    Ok(())
}
