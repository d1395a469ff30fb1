//! `gamemesh-bench memory`: what NPCs remember, against the floors and against pgvector.

mod history;
mod mixed;
mod npcs;
mod recall;
mod sample;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::exit::Outcome;
use crate::load::LoadArgs;
use crate::output::Output;
use crate::report::{Row, markdown};
use crate::servers::database::Database;
use crate::suite;

/// With the defaults the whole run takes about three minutes; `npcs`, which is measured only where it is
/// named, takes many times that.
#[derive(Debug, Clone, Args)]
pub(crate) struct MemoryBenchArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// Memories of an NPC that is recalled
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=5_000))]
    memories: u32,
    /// NPCs of the mixed load
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    active: u32,
    /// Requests a second of the mixed load
    #[arg(long, default_value_t = 1_667, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    rate: u32,
    /// NPCs that are held to a bound of memory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    npcs: u32,
    /// Folder for the databases, on the disk that is to be measured; a temporary one if absent
    #[arg(long)]
    dir: Option<PathBuf>,
    /// PostgreSQL, where it is to be the store: a database of its own is made and dropped
    #[arg(long, env = "POSTGRES_URL")]
    postgres_url: Option<String>,
    /// A PostgreSQL with pgvector, which recall is compared with
    #[arg(long, env = "PGVECTOR_URL")]
    pgvector_url: Option<String>,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Recalls, stores, entities and history together, at the floor's rate; what of it misses its page
    Mixed,
    /// Durable appends to the history of players
    History,
    /// The ten best of an NPC's memories
    Recall,
    /// Memory of the server over many NPCs
    Npcs,
}

impl Measure {
    /// Unless it is named.
    const fn is_left_out(self) -> bool {
        matches!(self, Self::Npcs)
    }
}

pub(crate) async fn run(args: MemoryBenchArgs, out: Output) -> Outcome {
    let dir = suite::begin(args.dir.as_deref(), &out)?;
    let is_asked_for = |measure: &Measure| !args.only.is_empty() || !measure.is_left_out();
    let mut rows: Vec<Row> = Vec::new();
    for measure in suite::chosen(&args.only).copied().filter(is_asked_for) {
        out.note(&format!("measuring {}", suite::name(&measure)));
        let database = match &args.postgres_url {
            Some(url) => Some(Database::create(url).await?),
            None => None,
        };
        let store = sample::Store { dir: dir.path(), database: database.as_ref() };
        let measured = match measure {
            Measure::Mixed => mixed::measure(&args, &store).await,
            Measure::History => history::measure(&args, &store).await.map(|row| vec![row]),
            Measure::Recall => recall::measure(&args, &store, &out).await.map(|row| vec![row]),
            Measure::Npcs => npcs::measure(&args, &store, &out).await.map(|row| vec![row]),
        };
        if let Some(database) = database {
            database.drop().await?;
        }
        rows.extend(measured?);
    }
    let durability = match args.postgres_url {
        Some(_) => "PostgreSQL, fsync and synchronous_commit on".to_owned(),
        None => suite::embedded_durability(dir.path())?,
    };
    let setting = args.load.setting(&durability);
    out.answer(&json!({ "setting": setting, "rows": rows }), || {
        markdown(&rows, &args.load.heading(&durability))
    })?;
    Ok(())
}
