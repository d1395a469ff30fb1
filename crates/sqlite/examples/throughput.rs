//! Durable events per second: a commit for each row, as an application would write without batching,
//! against appends of one event and of a hundred. The three take turns in one run, because a disk's
//! sync time moves with whatever else it does; compare ratios, not figures of different runs.
//!
//! `cargo run --release -p gamemesh-sqlite --example throughput [rounds] [folder]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for the terminal")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gamemesh_repository::{
    Append, Direction, EventLog, Expected, Lane, NewEvent, StreamAppend, StreamName,
};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use uuid::Uuid;

const APPENDERS: u64 = 64;
const STREAMS: u64 = 10_000;
const DATA_BYTES: usize = 120;
const META_BYTES: usize = 60;
const TURN: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(5, |rounds| rounds.parse().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let mut baseline = single_row_store(&folder.path().join("single.db")).await;
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let store = SqliteStore::open(&url, SqliteOptions::default()).await.unwrap();
    println!(
        "{:>12} {:>10} {:>8} {:>7} {:>11} {:>8} {:>7}",
        "single row/s", "64x1 ev/s", "ev/batch", "ratio", "64x100 ev/s", "ev/batch", "ratio"
    );
    let mut ratios = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let single = single_rows(&mut baseline).await;
        let (ones, ones_batch) = appends(&store, 1).await;
        let (hundreds, hundreds_batch) = appends(&store, 100).await;
        ratios.0.push(ones / single);
        ratios.1.push(hundreds / single);
        println!(
            "{single:>12.0} {ones:>10.0} {ones_batch:>8.0} {:>7.1} {hundreds:>11.0} \
             {hundreds_batch:>8.0} {:>7.1}",
            ones / single,
            hundreds / single
        );
    }
    println!("median ratios: {:.1} and {:.1}", median(ratios.0), median(ratios.1));
    let stats = store.stats().await.unwrap();
    println!(
        "{} events in {} batches, file {} MiB, write-ahead log {} MiB",
        stats.events,
        stats.batches,
        stats.file_bytes >> 20,
        stats.wal_bytes >> 20
    );
    read(&store, stats.events).await;
    let started = Instant::now();
    let report = store.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    println!("verify: {:.0} events/s", report.events as f64 / started.elapsed().as_secs_f64());
    store.close().await;
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The same columns and index, one connection, write-ahead log, synchronous=FULL.
async fn single_row_store(path: &std::path::Path) -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(
        "CREATE TABLE event (position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, \
         version INTEGER NOT NULL, time_us INTEGER NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, \
         data BLOB NOT NULL, meta BLOB NOT NULL, UNIQUE (stream, version)) STRICT",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection
}

async fn single_rows(connection: &mut SqliteConnection) -> f64 {
    let started = Instant::now();
    let mut written = 0_u64;
    while started.elapsed() < TURN {
        sqlx::query(
            "INSERT INTO event (stream, version, time_us, id, kind, data, meta) \
             VALUES (?1, (SELECT coalesce(max(version), 0) + 1 FROM event WHERE stream = ?1), \
             ?2, ?3, ?4, ?5, ?6)",
        )
        .bind((written * 7_919 % STREAMS) as i64)
        .bind(written as i64)
        .bind(&Uuid::new_v4().as_bytes()[..])
        .bind("state.operated")
        .bind(vec![1_u8; DATA_BYTES])
        .bind(vec![2_u8; META_BYTES])
        .execute(&mut *connection)
        .await
        .unwrap();
        written += 1;
    }
    written as f64 / started.elapsed().as_secs_f64()
}

/// Events per second, and events in a batch.
async fn appends(store: &Arc<SqliteStore>, events: u64) -> (f64, f64) {
    let batches = store.stats().await.unwrap().batches;
    let started = Instant::now();
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let store = store.clone();
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
    let batches = store.stats().await.unwrap().batches - batches;
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

async fn read(store: &Arc<SqliteStore>, events: u64) {
    let started = Instant::now();
    let mut after = 0;
    while after < events {
        after += store.read_lane(Lane(0), after, 1_000).await.unwrap().len() as u64;
    }
    println!("read_lane: {:.0} events/s", events as f64 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    let mut read = 0;
    for key in 0..500 {
        let name = StreamName::new("player", &key.to_string());
        read += store.read_stream(&name, 1, 1_000, Direction::Forward).await.unwrap().len();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("read_stream: {:.0} events/s, {:.0} calls/s", read as f64 / seconds, 500.0 / seconds);
}
