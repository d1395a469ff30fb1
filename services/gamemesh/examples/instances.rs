//! Three instances on one PostgreSQL: durable updates a second that 64 callers make, with lanes that all
//! share and with lanes that have owners, against `pgbench` with 64 clients, each committing a row at
//! a time. They take turns in one run, because a disk's sync time moves with whatever else it does:
//! compare ratios, not figures of different runs.
//!
//! `cargo build --release -p gamemesh && cargo run --release -p gamemesh --example instances [rounds]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for the terminal")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gamemesh_client::v1::operation::Kind;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, ClientOptions, v1};
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use sqlx::{Connection, PgConnection};

const INSTANCES: usize = 3;
const CALLERS: usize = 64;
/// All in the caches after the warm-up.
const AGGREGATES: usize = 1_000;
const WARM_UP: Duration = Duration::from_secs(4);
const TURN: Duration = Duration::from_secs(4);
const ROW_BYTES: usize = 180;

/// How the instances share the lanes.
const MODES: [&str; 2] = ["shared", "owned"];

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(5, |rounds| rounds.parse().unwrap());
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let urls = databases(postgres.url()).await;
    let script = std::env::temp_dir().join(format!("gamemesh-pgbench-{}", std::process::id()));
    std::fs::write(&script, single_row_script()).unwrap();
    println!("updates a second, and their ratio to single rows of pgbench");
    println!(
        "{:>8} {:>16} {:>16} {:>16} {:>16}",
        "pgbench", "shared", "owned", "shared, hot", "owned, hot"
    );
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); 4];
    for _ in 0..rounds {
        let single = single_rows(postgres.url(), &script);
        let mut figures = Vec::new();
        for (mode, url) in MODES.iter().zip(&urls) {
            let worlds = instances(mode, url).await;
            figures.push((updates(&worlds, AGGREGATES).await, updates(&worlds, 1).await));
        }
        let row = [figures[0].0, figures[1].0, figures[0].1, figures[1].1];
        print!("{single:>8.0}");
        for (rate, ratios) in row.iter().zip(&mut ratios) {
            ratios.push(rate / single);
            print!(" {rate:>9.0} {:>6.2}", rate / single);
        }
        println!();
    }
    std::fs::remove_file(&script).unwrap();
    let medians: Vec<String> =
        ratios.into_iter().map(|ratios| format!("{:.2}", median(ratios))).collect();
    println!("median ratios: {}", medians.join(" "));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One database for each mode, and the table of `pgbench` in the first.
async fn databases(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE single (id bigserial PRIMARY KEY, stream bigint NOT NULL, data bytea NOT NULL)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let mut urls = Vec::new();
    for mode in MODES {
        let sql = format!("CREATE DATABASE {mode}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        urls.push(format!("{server}/{mode}"));
    }
    connection.close().await.unwrap();
    urls
}

fn single_row_script() -> String {
    format!(
        "\\set stream random(1, {AGGREGATES})\n\
         INSERT INTO single (stream, data) VALUES (:stream, '\\x{}');\n",
        "ab".repeat(ROW_BYTES)
    )
}

fn single_rows(url: &str, script: &Path) -> f64 {
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-c", "64", "-j", "2"])
        .args(["-T", &TURN.as_secs().to_string(), "-f"])
        .arg(script)
        .arg(url)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap();
    rate.split_whitespace().next().unwrap().parse().unwrap()
}

/// Instances of one mode; they end when they are dropped.
async fn instances(mode: &str, url: &str) -> Vec<World> {
    let mut worlds = Vec::new();
    for _ in 0..INSTANCES {
        let builder = World::builder().database_url(url).env("LANES", mode);
        // Those of the turn before are gone, their leases are not yet.
        let mut world = builder.env("LANE_LEASE", "1s").build().unwrap();
        world.start().await.unwrap();
        worlds.push(world);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    worlds
}

/// Updates a second of callers spread over the instances, each after the answer to the one before.
async fn updates(worlds: &[World], aggregates: usize) -> f64 {
    // A key would be a row more for each of them, in either mode.
    let options = ClientOptions { idempotency_keys: false, ..ClientOptions::default() };
    let begins = Instant::now() + WARM_UP;
    let ends = begins + TURN;
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let world = &worlds[caller % worlds.len()];
        let client = Client::connect(&world.url(), options.clone()).await.unwrap();
        callers.push(tokio::spawn(async move {
            let mut done = 0_u32;
            for n in 0.. {
                let id = (caller + n * CALLERS) * 7_919 % aggregates;
                let updated = client.update_aggregate(update(aggregates, id)).await;
                let now = Instant::now();
                if now >= ends {
                    break;
                }
                match updated {
                    Ok(_) => done += u32::from(now >= begins),
                    // It lost against the others too often; a caller would try again.
                    Err(error) => assert_eq!(error.reason, "OVERLOADED", "{error}"),
                }
            }
            done
        }));
    }
    let mut done = 0;
    for caller in callers {
        done += caller.await.unwrap();
    }
    f64::from(done) / TURN.as_secs_f64()
}

fn update(aggregates: usize, id: usize) -> v1::UpdateAggregateRequest {
    let increment =
        v1::IncrementOperation { path: "count".to_owned(), by: 1.0, ..Default::default() };
    let operation = v1::Operation { kind: Some(Kind::Increment(increment)) };
    v1::UpdateAggregateRequest {
        r#type: "world".to_owned(),
        id: format!("of-{aggregates}-{id}"),
        create_missing: true,
        result_only: true,
        change: Some(Change::Operations(v1::Operations { operations: vec![operation] })),
        ..Default::default()
    }
}
