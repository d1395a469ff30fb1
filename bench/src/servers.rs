//! `gamemesh-bench servers`: the state service on PostgreSQL, Redis and Kafka, against what these servers do
//! by themselves.

pub(crate) mod database;
mod durable;
mod freshness;
mod hits;
mod latency;
#[path = "../../crates/postgres/examples/throughput/pgbench.rs"]
mod pgbench;
mod relay;
mod resp;
mod shared;

use std::path::Path;

use clap::{Args, ValueEnum};
use gamemesh_client::v1::GetPlayerRequest;
use serde_json::json;

use self::database::Database;
use crate::exit::{Outcome, Problem};
use crate::load::LoadArgs;
use crate::output::Output;
use crate::report::{Bar, Row, markdown};
use crate::server::{Server, failed};
use crate::state::hot_read::{PLAYER, grpc_pairs, with_player};
use crate::state::sample;
use crate::suite;

/// `eval "$(scripts/services up postgres redis kafka)"` sets the addresses.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServersBenchArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// PostgreSQL; each measure makes a database of its own and drops it
    #[arg(long, env = "POSTGRES_URL")]
    postgres_url: String,
    /// Redis: the cache that instances share, and what freshness is compared with
    #[arg(long, env = "REDIS_URL")]
    redis_url: Option<String>,
    /// Kafka: where the relay brings events
    #[arg(long, env = "KAFKA_BROKERS")]
    kafka_brokers: Option<String>,
    /// Events that the relay brings to Kafka, in each pair
    #[arg(long, default_value_t = 400_000)]
    relay_events: u64,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Durable updates, one a call; also the floor of sustained updates
    Updates,
    /// Durable updates in batches
    Batch,
    /// Durable updates in streams
    Stream,
    /// All clients on one aggregate
    Hot,
    /// Hot reads with a token
    Reads,
    /// Reads from the cache that instances share
    Shared,
    /// How soon another instance shows a write
    Freshness,
    /// Events from the log to Kafka
    Relay,
    /// Hits of the cache under sessions of players
    Hits,
    /// Latency at half load, cold reads, memory
    Latency,
}

pub(crate) async fn run(args: ServersBenchArgs, out: Output) -> Outcome {
    let dir = suite::begin(None, &out)?;
    let mut rows: Vec<Row> = Vec::new();
    for measure in suite::chosen(&args.only).copied() {
        let name = suite::name(&measure);
        if let Some(missing) = missing(measure, &args) {
            out.note(&format!("{name} is left out: {missing} is not set"));
            continue;
        }
        out.note(&format!("measuring {name}"));
        let database = Database::create(&args.postgres_url).await?;
        let measured = measured(measure, &args, &database, dir.path()).await;
        database.drop().await?;
        rows.extend(measured?);
    }
    let durability = "PostgreSQL, fsync and synchronous_commit on";
    let setting = args.load.setting(durability);
    out.answer(&json!({ "setting": setting, "rows": rows }), || {
        markdown(&rows, &args.load.heading(durability))
    })?;
    Ok(())
}

fn missing(measure: Measure, args: &ServersBenchArgs) -> Option<&'static str> {
    match measure {
        Measure::Shared | Measure::Freshness if args.redis_url.is_none() => Some("REDIS_URL"),
        Measure::Relay if args.kafka_brokers.is_none() => Some("KAFKA_BROKERS"),
        _ => None,
    }
}

async fn measured(
    measure: Measure,
    args: &ServersBenchArgs,
    database: &Database,
    dir: &Path,
) -> Outcome<Vec<Row>> {
    let load = &args.load;
    let redis = args.redis_url.as_deref().unwrap_or_default();
    Ok(match measure {
        Measure::Updates => durable::updates(load, database, dir).await?,
        Measure::Batch => vec![durable::batches(load, database, dir).await?],
        Measure::Stream => durable::streams(load, database, dir).await?,
        Measure::Hot => vec![durable::hot(load, database, dir).await?],
        Measure::Reads => vec![reads(load, database, dir).await?],
        Measure::Shared => vec![shared::measure(load, database, redis, dir).await?],
        Measure::Freshness => {
            vec![freshness::measure(load, database, redis, dir).await?]
        }
        Measure::Relay => {
            let brokers = args.kafka_brokers.as_deref().unwrap_or_default();
            vec![relay::measure(load, database, brokers, args.relay_events, dir).await?]
        }
        Measure::Hits => vec![hits::measure(load, database, dir).await?],
        Measure::Latency => latency::measure(load, database, dir).await?,
    })
}

/// Hot reads that carry the token of the last write.
async fn reads(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Row> {
    let product = with_player(Server::on(dir, database.url(), &[]).await?).await?;
    let mut stub = product.stubs(1).await?.remove(0);
    let written = stub
        .update_aggregate(sample::update(PLAYER.to_owned()))
        .await
        .map_err(failed)?
        .into_inner();
    let token = written.write.map(|write| write.token).unwrap_or_default();
    if token.is_empty() {
        return Err(Problem::failed("a write gave no token"));
    }
    let request = GetPlayerRequest { player_id: PLAYER.into(), token, ..Default::default() };
    let (answer, pairs) = grpc_pairs(&product, load, &request, dir).await?;
    let bar = Bar::AtLeast { floor: 0.7, aim: 0.95 };
    Ok(Row::new("hot read, AT_LEAST its last write", "bare tonic, same bytes", "/s", bar, pairs)
        .note(format!("an answer of {answer} bytes, a token in each request")))
}
