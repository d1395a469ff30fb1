//! `gamemesh log stats`: how large each log is, and who owns its lanes.

use gamemesh_backends::{Backends, StoreStats};
use gamemesh_repository::LogName;
use serde_json::{Value, json};

use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

struct Stats {
    log: LogName,
    stats: StoreStats,
    lanes: Vec<Value>,
}

pub(super) async fn run(opened: &[(LogName, Backends)], out: Output) -> Outcome {
    let mut each = Vec::new();
    for (log, store) in opened {
        let (stats, lanes) = (store.stats().await?, lanes(*log, store).await?);
        each.push(Stats { log: *log, stats, lanes });
    }
    out.answer(&together(&each), || {
        let each: Vec<String> = each.iter().map(describe).collect();
        each.join("\n")
    })?;
    Ok(Exit::Done)
}

/// The sums over all logs, and each log by itself. The chains of several logs follow one another, as
/// those of several lanes do.
fn together(each: &[Stats]) -> Value {
    let sum = |of: fn(&StoreStats) -> u64| -> u64 { each.iter().map(|log| of(&log.stats)).sum() };
    let logs = each.iter().map(|Stats { log, stats, .. }| {
        json!({
            "log": log.as_str(),
            "events": stats.events,
            "streams": stats.streams,
            "batches": stats.batches,
            "snapshots": stats.snapshots,
            "idempotencyKeys": stats.keys,
            "fileBytes": stats.file_bytes,
            "walBytes": stats.wal_bytes,
            "chain": stats.chain,
        })
    });
    json!({
        "events": sum(|stats| stats.events),
        "streams": sum(|stats| stats.streams),
        "batches": sum(|stats| stats.batches),
        "snapshots": sum(|stats| stats.snapshots),
        "idempotencyKeys": sum(|stats| stats.keys),
        "fileBytes": sum(|stats| stats.file_bytes),
        "walBytes": sum(|stats| stats.wal_bytes),
        "chain": each.iter().map(|log| log.stats.chain.as_str()).collect::<String>(),
        "lanes": each.iter().flat_map(|log| &log.lanes).collect::<Vec<_>>(),
        "logs": logs.collect::<Vec<_>>(),
    })
}

fn describe(Stats { log, stats, lanes }: &Stats) -> String {
    let rows = [
        ["log".to_owned(), log.to_string()],
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
}

/// Who owns which lane, where instances share them out; empty where one process has them all.
async fn lanes(log: LogName, store: &Backends) -> Outcome<Vec<Value>> {
    if !store.is_shared() {
        return Ok(Vec::new());
    }
    let membership = store.leases.membership().await?;
    let owner = |owner: Option<_>| owner.and_then(|id| membership.member(id)).map(|m| &m.address);
    let lanes = membership.lanes.iter().enumerate();
    let shown = lanes.map(|(at, lane)| {
        json!({
            "log": log.as_str(),
            "lane": at,
            "owner": owner(lane.owner),
            "epoch": lane.epoch,
        })
    });
    Ok(shown.collect())
}
