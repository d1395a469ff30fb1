//! Durable updates against what `pgbench` commits on the same server, a row at a time.

use std::path::Path;
use std::sync::Arc;

use super::database::Database;
use super::pgbench::{self, SingleRows};
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::Server;
use crate::state::durable::{
    BATCH, SENDERS, WINDOW, batch_senders, player, stream_senders, updaters,
};
use crate::state::sample;

/// The original targets, a second.
const UPDATES: f64 = 5_000.0;
const EVENTS: f64 = 1_000.0;
/// Of the bytes of an event, those that are metadata.
const META_BYTES: usize = 48;

/// One update a call, each client waiting for its answer.
pub(crate) async fn updates(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Vec<Row>> {
    let product = Server::on(dir, database.url(), &[]).await?;
    let workers = async || updaters(&product, load, player).await;
    let pairs = paired(load, database, dir, workers).await?;
    let bar = Bar::AtLeast { floor: 1.0, aim: 1.5 };
    let note =
        format!("{0} clients, each waiting for its answer; pgbench with {0} too", load.clients);
    let floor = target(&pairs, UPDATES);
    Ok(vec![
        row("durable updates, one a call", bar, pairs).note(note),
        Row::new(
            "sustained updates, one a call",
            "the target",
            "/s",
            Bar::AtLeast { floor: 1.0, aim: 10.0 },
            floor,
        ),
    ])
}

/// In calls of many.
pub(crate) async fn batches(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Row> {
    let product = Server::on(dir, database.url(), &[]).await?;
    let pairs = paired(load, database, dir, async || batch_senders(&product).await).await?;
    let bar = Bar::AtLeast { floor: 3.0, aim: 8.0 };
    Ok(row("durable events, in batches", bar, pairs)
        .note(format!("{SENDERS} clients, {BATCH} updates a call")))
}

/// On streams.
pub(crate) async fn streams(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Vec<Row>> {
    let product = Server::on(dir, database.url(), &[]).await?;
    let pairs = paired(load, database, dir, async || stream_senders(&product).await).await?;
    let bar = Bar::AtLeast { floor: 3.0, aim: 8.0 };
    let floor = target(&pairs, EVENTS);
    Ok(vec![
        row("durable events, on streams", bar, pairs)
            .note(format!("{SENDERS} streams, at most {WINDOW} unanswered updates on each")),
        Row::new(
            "sustained events, on streams",
            "the target",
            "/s",
            Bar::AtLeast { floor: 1.0, aim: 10.0 },
            floor,
        ),
    ])
}

/// All clients on one aggregate, against the same clients on many.
pub(crate) async fn hot(load: &LoadArgs, database: &Database, dir: &Path) -> Outcome<Row> {
    let product = Server::on(dir, database.url(), &[]).await?;
    let one = |_| "hot".to_owned();
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let baseline = closed(updaters(&product, load, player).await?, load.duration).await?;
        let ours = closed(updaters(&product, load, one).await?, load.duration).await?;
        pairs.push(Pair { ours, baseline });
    }
    let bar = Bar::AtLeast { floor: 0.5, aim: 0.9 };
    Ok(Row::new("all clients on one hot aggregate", "the same load spread out", "/s", bar, pairs)
        .note(format!("{} clients, one update a call", load.clients)))
}

fn row(measure: &'static str, bar: Bar, pairs: Vec<Pair>) -> Row {
    Row::new(measure, "pgbench, single-row commits", "/s", bar, pairs)
}

/// The same figures against a fixed target.
fn target(pairs: &[Pair], target: f64) -> Vec<Pair> {
    pairs.iter().map(|pair| Pair { ours: pair.ours, baseline: target }).collect()
}

async fn paired(
    load: &LoadArgs,
    database: &Database,
    dir: &Path,
    workers: impl AsyncFn() -> Outcome<Vec<Operation>>,
) -> Outcome<Vec<Pair>> {
    database.execute(pgbench::TABLE).await?;
    let data = sample::EVENT_BYTES - META_BYTES;
    let rows = Arc::new(SingleRows::new(database.url(), dir, data, META_BYTES)?);
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let (rows, clients, duration) = (rows.clone(), load.clients.into(), load.duration);
        let run = tokio::task::spawn_blocking(move || rows.run(clients, duration));
        let baseline = run.await.map_err(Problem::failed)??;
        let ours = closed(workers().await?, load.duration).await?;
        pairs.push(Pair { ours, baseline });
    }
    Ok(pairs)
}
