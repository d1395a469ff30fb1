//! `gamemesh log`: the event log of a store, read directly. It works beside a running server.

use clap::{Args, Subcommand};
use gamemesh_backends::Backends;
use gamemesh_repository::VerifyReport;
use serde_json::{Value, json};

use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct Store {
    /// The store: sqlite://PATH
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://data/gamemesh.db",
        global = true
    )]
    pub(crate) database_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    store: Store,
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Check every checksum, the chain, and that versions and positions are without gaps
    Verify,
    /// Say how large the log is
    Stats,
}

pub(crate) async fn run(args: LogArgs, out: Output) -> Outcome {
    let backends = gamemesh_backends::open_read_only(&args.store.database_url).await?;
    match args.command {
        LogCommand::Verify => verify(&backends, out).await,
        LogCommand::Stats => stats(&backends, out).await,
    }
}

async fn verify(backends: &Backends, out: Output) -> Outcome {
    let report = backends.log.verify().await?;
    out.answer(&report_json(&report), || describe(&report))?;
    Ok(if report.is_clean() { Exit::Done } else { Exit::Damaged })
}

fn report_json(report: &VerifyReport) -> Value {
    let violations: Vec<Value> = report
        .violations
        .iter()
        .map(|violation| {
            json!({
                "lane": violation.lane.0,
                "position": violation.position,
                "stream": violation.stream.as_ref().map(ToString::to_string),
                "what": violation.what,
            })
        })
        .collect();
    json!({
        "clean": report.is_clean(),
        "events": report.events,
        "streams": report.streams,
        "batches": report.batches,
        "violationsTotal": report.violations_total,
        "violations": violations,
    })
}

fn describe(report: &VerifyReport) -> String {
    let counted = format!(
        "{} events in {} streams and {} batches",
        report.events, report.streams, report.batches
    );
    if report.is_clean() {
        return format!("clean: {counted}");
    }
    let rows = report.violations.iter().map(|violation| {
        [
            violation.lane.0.to_string(),
            violation.position.to_string(),
            violation.stream.as_ref().map(ToString::to_string).unwrap_or_default(),
            violation.what.clone(),
        ]
    });
    let shown = table(["lane", "position", "stream", "what"], rows);
    format!("damaged: {} violations in {counted}\n{shown}", report.violations_total)
}

async fn stats(backends: &Backends, out: Output) -> Outcome {
    let stats = backends.stats().await?;
    let lanes = lanes(backends).await?;
    let shown = json!({
        "events": stats.events,
        "streams": stats.streams,
        "batches": stats.batches,
        "snapshots": stats.snapshots,
        "idempotencyKeys": stats.keys,
        "fileBytes": stats.file_bytes,
        "walBytes": stats.wal_bytes,
        "chain": stats.chain,
        "lanes": lanes,
    });
    out.answer(&shown, || {
        let rows = [
            ["events".to_owned(), stats.events.to_string()],
            ["streams".to_owned(), stats.streams.to_string()],
            ["batches".to_owned(), stats.batches.to_string()],
            ["snapshots".to_owned(), stats.snapshots.to_string()],
            ["idempotency keys".to_owned(), stats.keys.to_string()],
            ["bytes in the file".to_owned(), stats.file_bytes.to_string()],
            ["bytes in the write-ahead log".to_owned(), stats.wal_bytes.to_string()],
            ["chain".to_owned(), stats.chain.clone()],
        ];
        let owners = lanes.iter().map(|lane| {
            let text = |name: &str| lane[name].as_str().unwrap_or("nobody").to_owned();
            [lane["lane"].to_string(), text("owner"), lane["epoch"].to_string()]
        });
        let stats = table(["", ""], rows);
        match lanes.is_empty() {
            true => stats,
            false => format!("{stats}\n{}", table(["lane", "owner", "epoch"], owners)),
        }
    })?;
    Ok(Exit::Done)
}

/// Who owns which lane, where instances share them out; empty where one process has them all.
async fn lanes(backends: &Backends) -> Outcome<Vec<Value>> {
    let Some(leases) = &backends.leases else { return Ok(Vec::new()) };
    let roster = leases.roster().await?;
    let owner = |owner: Option<_>| owner.and_then(|id| roster.member(id)).map(|m| &m.address);
    let lanes = roster.lanes.iter().enumerate();
    let shown = lanes
        .map(|(at, lane)| json!({ "lane": at, "owner": owner(lane.owner), "epoch": lane.epoch }));
    Ok(shown.collect())
}
