//! What goes wrong between the processes, seen from outside: connections that are cut, transactions
//! of others, connections that run out. Real processes, a real PostgreSQL, the public interface.
//!
//! `GAMEMESH_FAULT_ROUNDS` makes them long; `make fault-test` sets it.

mod answers;
mod commits;
mod files;
pub(crate) mod observer;
mod pool;
mod tables;
mod transactions;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{World, http};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::ledger::{number_of, strong};

/// What is waited for comes within this time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server that these tests share, each with a database of its own.
static SHARED: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

/// How often something goes wrong: `short`, unless the run says how often.
fn rounds(short: usize) -> usize {
    std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(short, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"))
}

/// The URL of an empty database.
async fn database() -> String {
    let url = tokio::task::spawn_blocking(|| SHARED.url().to_owned()).await.unwrap();
    let name = format!("d{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    run(&mut connection, &format!("CREATE DATABASE {name}")).await;
    connection.close().await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// An instance on a database, with few connections: many share a server.
async fn instance(url: &str) -> World {
    let builder =
        World::builder().services("state").database_url(url).env("POSTGRES_MAX_CONNS", "12");
    let mut world = builder.build().unwrap();
    world.start().await.unwrap();
    world
}

/// Each aggregate has been counted up as often as this, and once for each version.
async fn assert_counted(world: &World, expected: &BTreeMap<String, i64>) {
    let client = world.client().await.unwrap();
    for (id, version) in expected {
        let aggregate = client.get_aggregate(strong("world", id)).await.unwrap().aggregate.unwrap();
        assert_eq!(aggregate.version, *version, "{id}");
        let count = number_of(&aggregate.state.unwrap().fields["count"]);
        assert_eq!(count, *version as f64, "{id}");
    }
    let verified = world.cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
}

/// The value of a metric without labels.
async fn metric(world: &World, name: &str) -> f64 {
    let text = http::get(&world.address(), "/metrics").await.unwrap().text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}
