//! `gamemesh-bench stats`: the stats service on the embedded store, against its floors and against Redis.

mod ingest;
mod memory;
mod rank;
mod reads;
mod redis;
mod sample;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::exit::Outcome;
use crate::load::LoadArgs;
use crate::output::Output;
use crate::report::{Row, markdown};
use crate::server::Server;
use crate::suite;

/// With the defaults the whole run takes about three minutes.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatsBenchArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// Matches that the events are of
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(16..=100_000))]
    matches: u32,
    /// Reads a second in the measures of their latency; the promise by default
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    reads_rate: u32,
    /// Events a second beside these reads; the promise by default
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events_rate: u32,
    /// Players on the board that is asked for ranks
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    members: u32,
    /// Folder for the databases, on the disk that is to be measured; a temporary one if absent
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Redis, for what it does with the same events and ranks: an empty one, of which database 15 is used
    #[arg(long, env = "REDIS_URL")]
    redis_url: Option<String>,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Events on channels, each request acknowledged when it is durable
    Channel,
    /// Events on streams, acknowledged when all of a stream is durable
    Stream,
    /// The same events into Redis
    Redis,
    /// Reads alone: how many, and how long they take at 10,000 a second
    Reads,
    /// 100,000 events and 10,000 reads a second together
    Both,
    /// Memory of a match and of a player
    Memory,
    /// Ranks on a large board
    Rank,
}

pub(crate) async fn run(args: StatsBenchArgs, out: Output) -> Outcome {
    let dir = suite::begin(args.dir.as_deref(), &out)?;
    let mut rows: Vec<Row> = Vec::new();
    for measure in suite::chosen(&args.only).copied() {
        let name = suite::name(&measure);
        if measure == Measure::Redis && args.redis_url.is_none() {
            out.note(&format!("{name} is left out: REDIS_URL is not set"));
            continue;
        }
        out.note(&format!("measuring {name}"));
        rows.extend(measured(measure, &args, dir.path()).await?);
    }
    let durability = &suite::embedded_durability(dir.path())?;
    let setting = args.load.setting(durability);
    out.answer(&json!({ "setting": setting, "rows": rows }), || {
        markdown(&rows, &args.load.heading(durability))
    })?;
    Ok(())
}

async fn measured(measure: Measure, args: &StatsBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    Ok(match measure {
        Measure::Channel => vec![ingest::channels(args, dir).await?],
        Measure::Stream => vec![ingest::streams(args, dir).await?],
        Measure::Redis => vec![ingest::beside_redis(args, dir).await?],
        Measure::Reads => reads::alone(args, dir).await?,
        Measure::Both => reads::beside_events(args, dir).await?,
        Measure::Memory => memory::memory(args, dir).await?,
        Measure::Rank => vec![rank::ranks(args, dir).await?],
    })
}

/// A process that serves stats and nothing else, with an empty store of its own.
async fn product(dir: &Path) -> Outcome<Server> {
    let store = tempfile::Builder::new().prefix("store-").tempdir_in(dir)?.keep();
    let url = format!("sqlite://{}", store.join("gamemesh.db").display());
    Server::on(dir, &url, &["--services", "stats"]).await
}
