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

use crate::disk;
use crate::exit::{Outcome, Problem};
use crate::load::LoadArgs;
use crate::output::Output;
use crate::report::{Row, markdown};
use crate::server::Server;

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
    if cfg!(debug_assertions) {
        out.note("this is a debug build: its figures say nothing; use a release build");
    }
    let base = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new()
        .prefix("gamemesh-bench-")
        .tempdir_in(&base)
        .map_err(|error| Problem::failed(format!("{}: {error}", base.display())))?;
    let wanted = |measure| args.only.is_empty() || args.only.contains(&measure);
    let mut rows: Vec<Row> = Vec::new();
    for measure in Measure::value_variants().iter().copied().filter(|m| wanted(*m)) {
        out.note(&format!(
            "measuring {}",
            measure.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
        ));
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
    let sync = disk::sync_time(dir.path())?.as_secs_f64() * 1e3;
    let durability =
        &format!("SQLite, WAL, synchronous=FULL, on a disk that syncs a page in {sync:.2} ms");
    let setting = args.load.setting(durability);
    out.answer(&json!({ "setting": setting, "rows": rows }), || {
        markdown(&rows, &args.load.heading(durability))
    })?;
    Ok(())
}
