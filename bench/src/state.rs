//! `gamemesh-bench state`: every measure in turn.

pub(crate) mod durable;
mod fold;
pub(crate) mod hot_read;
pub(crate) mod latency;
mod overload;
pub(crate) mod sample;
mod watchers;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::exit::Outcome;
use crate::load::LoadArgs;
use crate::output::Output;
use crate::report::{Row, markdown};
use crate::server::Server;
use crate::suite;

#[derive(Debug, Clone, Args)]
pub(crate) struct StateBenchArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Watching sessions whose memory is measured
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=8_000))]
    pub(crate) watchers: u32,
    /// Events that are folded
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) fold_events: u32,
    /// Folder for the databases, on the disk that is to be measured; a temporary one if absent
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Hot read over gRPC
    Grpc,
    /// Hot read over REST
    Rest,
    /// Durable updates, one a call
    Updates,
    /// Durable updates in batches
    Batch,
    /// Durable updates in streams
    Stream,
    /// Latency at half load
    Latency,
    /// Goodput at three times the load, and the time until all is as usual again
    Overload,
    /// Memory of a watching session
    Watchers,
    /// Fold of events
    Fold,
}

pub(crate) async fn run(args: StateBenchArgs, out: Output) -> Outcome {
    let dir = suite::begin(args.dir.as_deref(), &out)?;
    let mut rows: Vec<Row> = Vec::new();
    for measure in suite::chosen(&args.only).copied() {
        out.note(&format!("measuring {}", suite::name(&measure)));
        let dir = dir.path();
        rows.extend(match measure {
            Measure::Grpc => vec![hot_read::grpc(&args, dir).await?],
            Measure::Rest => vec![hot_read::rest(&args, dir).await?],
            Measure::Updates => vec![durable::updates(&args, dir).await?],
            Measure::Batch => vec![durable::batches(&args, dir).await?],
            Measure::Stream => vec![durable::streams(&args, dir).await?],
            Measure::Latency => {
                latency::half_load(&args.load, Server::product(dir).await?).await?.0
            }
            Measure::Overload => overload::overload(&args, dir).await?,
            Measure::Watchers => watchers::memory(&args, dir).await?,
            Measure::Fold => vec![fold::fold(&args)?],
        });
    }
    let durability = &suite::embedded_durability(dir.path())?;
    let setting = args.load.setting(durability);
    out.answer(&json!({ "setting": setting, "rows": rows }), || {
        markdown(&rows, &args.load.heading(durability))
    })?;
    Ok(())
}
