//! Servers for tests. What was started, or made on a server that was there, goes away with the test
//! process, however it ends: a shell waits for the end of its input.

use std::process::Command;
use std::sync::LazyLock;

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_testkit::keeper::{Keeper, keeper};
use gamemesh_testkit::postgres::Postgres;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// What goes away with the process.
enum Kept {
    Database { _keeper: Keeper },
    Server { _server: Postgres },
}

/// The server that most tests share, each with a schema of its own.
struct Shared {
    url: String,
    _kept: Kept,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| match std::env::var("POSTGRES_URL") {
    Ok(url) => {
        let database = format!("gamemesh_test_{}", std::process::id());
        let (base, query) = url.split_once('?').unwrap_or((&url, ""));
        let server = base.rsplit_once('/').unwrap().0;
        psql(&url, &format!("CREATE DATABASE {database}"));
        let drop = format!("psql '{url}' -c 'DROP DATABASE {database} WITH (FORCE)'");
        let kept = Kept::Database { _keeper: keeper(&drop).unwrap() };
        Shared { url: format!("{server}/{database}?{query}"), _kept: kept }
    }
    Err(_) => {
        let server = Postgres::start().unwrap();
        Shared { url: server.url().to_owned(), _kept: Kept::Server { _server: server } }
    }
});

/// Where one store is: a schema of a server.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
}

impl Place {
    pub(crate) async fn fresh() -> Self {
        let url = tokio::task::spawn_blocking(|| SHARED.url.clone()).await.unwrap();
        Self::on(&url).await
    }

    /// A database of its own, for logs that lie in schemas with fixed names.
    pub(crate) async fn database() -> Self {
        let url = tokio::task::spawn_blocking(|| SHARED.url.clone()).await.unwrap();
        let database = format!("d{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {database}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let (base, query) = url.split_once('?').unwrap_or((&url, ""));
        let server = base.rsplit_once('/').unwrap().0;
        Self { url: format!("{server}/{database}?{query}") }
    }

    pub(crate) async fn on(url: &str) -> Self {
        let schema = format!("s{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let joint = if url.contains('?') { '&' } else { '?' };
        Self { url: format!("{url}{joint}options=-c%20search_path%3D{schema}") }
    }

    pub(crate) async fn open(&self) -> std::sync::Arc<PostgresStore> {
        PostgresStore::open(&self.url, options()).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

/// Few connections: many stores share a server.
pub(crate) fn options() -> PostgresOptions {
    PostgresOptions { connections_min: 0, connections_max: 12, ..PostgresOptions::default() }
}

fn psql(url: &str, sql: &str) {
    let status = Command::new("psql").args([url, "-qc", sql]).status().unwrap();
    assert!(status.success(), "{sql}");
}
