//! Durable events per second: `pgbench` with 64 clients, each committing a row at a time, against 64
//! appenders of one event and of a hundred. The three take turns in one run, because a disk's sync
//! time moves with whatever else it does; compare ratios, not figures of different runs.
//!
//! `POSTGRES_URL=… cargo run --release -p gamemesh-postgres --example throughput [rounds] [lanes]
//! [instances]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for the terminal")]

mod pgbench;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::{
    Append, Direction, EventLog, Expected, Lane, NewEvent, StreamAppend, StreamName,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use self::pgbench::SingleRows;

const APPENDERS: u64 = 64;
const STREAMS: u64 = 10_000;
const DATA_BYTES: usize = 120;
const META_BYTES: usize = 60;
const TURN: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument =
        |otherwise: usize| arguments.next().map_or(otherwise, |argument| argument.parse().unwrap());
    let (rounds, lanes, instances) = (argument(5), argument(4), argument(1));
    let url = std::env::var("POSTGRES_URL").unwrap();
    let url = fresh_schema(&url).await;
    let options = PostgresOptions { lanes: lanes as u16, ..PostgresOptions::default() };
    let mut stores = Vec::new();
    for _ in 0..instances {
        stores.push(PostgresStore::open(&url, options.clone()).await.unwrap());
    }
    let rows = SingleRows::new(&url, &std::env::temp_dir(), DATA_BYTES, META_BYTES).unwrap();
    println!(
        "{:>12} {:>10} {:>8} {:>7} {:>11} {:>8} {:>7}",
        "single row/s", "64x1 ev/s", "ev/batch", "ratio", "64x100 ev/s", "ev/batch", "ratio"
    );
    let mut ratios = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let single = rows.run(APPENDERS as u32, TURN).unwrap();
        let (ones, ones_batch) = appends(&stores, 1).await;
        let (hundreds, hundreds_batch) = appends(&stores, 100).await;
        ratios.0.push(ones / single);
        ratios.1.push(hundreds / single);
        println!(
            "{single:>12.0} {ones:>10.0} {ones_batch:>8.0} {:>7.2} {hundreds:>11.0} \
             {hundreds_batch:>8.0} {:>7.2}",
            ones / single,
            hundreds / single
        );
    }
    drop(rows);
    println!("median ratios: {:.2} and {:.2}", median(ratios.0), median(ratios.1));
    let stats = stores[0].stats().await.unwrap();
    println!("{} events, {} batches, {} MiB", stats.events, stats.batches, stats.bytes >> 20);
    read(&stores[0]).await;
    freshness(&url, &stores[0], &options).await;
    for store in stores {
        store.close().await;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn fresh_schema(url: &str) -> String {
    let schema = format!("bench_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(url).await.unwrap();
    let table = pgbench::TABLE.replace("TABLE single", &format!("TABLE {schema}.single"));
    let sql = format!("CREATE SCHEMA {schema}; {table}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    format!("{url}?options=-c%20search_path%3D{schema}")
}

/// Events per second, and events in a batch.
async fn appends(stores: &[Arc<PostgresStore>], events: u64) -> (f64, f64) {
    let batches = stores[0].stats().await.unwrap().batches;
    let started = Instant::now();
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let store = stores[appender as usize % stores.len()].clone();
            tokio::spawn(async move {
                let mut written = 0_u64;
                while started.elapsed() < TURN {
                    let key = (appender + written * 64) * 7_919 % STREAMS;
                    store.append(append(key, events)).await.unwrap();
                    written += events;
                }
                written
            })
        })
        .collect();
    let mut written = 0;
    for appender in appenders {
        written += appender.await.unwrap();
    }
    let rate = written as f64 / started.elapsed().as_secs_f64();
    let batches = stores[0].stats().await.unwrap().batches - batches;
    (rate, written as f64 / batches as f64)
}

fn append(key: u64, events: u64) -> Append {
    let event = |_| NewEvent {
        id: Uuid::new_v4(),
        kind: "state.operated".into(),
        data: Bytes::from(vec![1; DATA_BYTES]),
        meta: Bytes::from(vec![2; META_BYTES]),
    };
    Append {
        streams: vec![StreamAppend {
            stream: StreamName::new("player", &key.to_string()),
            expected: Expected::Any,
            events: (0..events).map(event).collect(),
        }],
        idempotency: None,
        fence: None,
        now_us: 0,
    }
}

async fn read(store: &Arc<PostgresStore>) {
    let started = Instant::now();
    let end = *store.tail(Lane(0)).borrow();
    let mut after = 0;
    while after < end {
        after += store.read_lane(Lane(0), after, 1_000).await.unwrap().len() as u64;
    }
    println!("read_lane: {:.0} events/s", end as f64 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    let mut read = 0;
    for key in 0..500 {
        let name = StreamName::new("player", &key.to_string());
        read += store.read_stream(&name, 1, 1_000, Direction::Forward).await.unwrap().len();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("read_stream: {:.0} events/s, {:.0} calls/s", read as f64 / seconds, 500.0 / seconds);
}

/// How long after an answer another instance's tail has it.
async fn freshness(url: &str, writer: &Arc<PostgresStore>, options: &PostgresOptions) {
    let other = PostgresStore::open(url, options.clone()).await.unwrap();
    for (what, pause) in [("busy", Duration::ZERO), ("quiet", Duration::from_millis(200))] {
        let mut delays = Vec::new();
        for key in 0..100 {
            tokio::time::sleep(pause).await;
            let appended = writer.append(append(key, 1)).await.unwrap().streams.remove(0);
            let started = Instant::now();
            let mut tail = other.tail(appended.lane);
            tail.wait_for(|position| *position >= appended.last_position).await.unwrap();
            delays.push(started.elapsed().as_secs_f64() * 1e3);
        }
        delays.sort_by(f64::total_cmp);
        println!(
            "freshness on another instance, {what}: median {:.1} ms, P99 {:.1} ms",
            delays[50], delays[98]
        );
    }
    other.close().await;
}
