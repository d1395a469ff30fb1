//! The store in a file: the laws of the ports, and what disks, processes and operators do to it.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

mod bounds;
mod combat;
mod conformance;
mod crash;
mod damage;
mod logs;
mod memories;
mod opening;
mod room;
mod stats;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gamemesh_repository::conformance::sample;
use gamemesh_repository::{Append, Event, EventLog, Expected, Lane};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

const LANE: Lane = Lane(0);

fn file(folder: &Path) -> PathBuf {
    folder.join("store.db")
}

fn url(folder: &Path) -> String {
    format!("sqlite://{}", file(folder).display())
}

async fn open(folder: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(&url(folder), SqliteOptions::default()).await.unwrap()
}

async fn open_read_only(folder: &Path) -> Arc<SqliteStore> {
    let options = SqliteOptions { read_only: true, ..SqliteOptions::default() };
    SqliteStore::open(&url(folder), options).await.unwrap()
}

/// Changes the file behind the store's back.
async fn tamper(folder: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(file(folder)).foreign_keys(false);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn row(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// One event for one of three streams.
fn nth(number: u64) -> Append {
    sample::one(&sample::name(&format!("s{}", number % 3)), Expected::Any, [number])
}

/// A store with so many events, each in its own batch.
async fn filled(folder: &Path, events: u64) -> Arc<SqliteStore> {
    let store = open(folder).await;
    for number in 0..events {
        store.append(nth(number)).await.unwrap();
    }
    store
}

async fn events(store: &SqliteStore) -> Vec<Event> {
    store.read_lane(LANE, 0, usize::MAX).await.unwrap()
}
