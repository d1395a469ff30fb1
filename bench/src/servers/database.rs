//! A database of one measure.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use uuid::Uuid;

use crate::exit::{Outcome, Problem};

/// A new database on a server that is there.
pub(crate) struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    pub(crate) async fn create(server: &str) -> Outcome<Self> {
        let name = format!("gamemesh_bench_{}", Uuid::new_v4().simple());
        let (base, parameters) = match server.split_once('?') {
            Some((base, parameters)) => (base, format!("?{parameters}")),
            None => (server, String::new()),
        };
        let host = match base.rsplit_once('/') {
            Some((host, _)) if host.contains("://") && !host.ends_with('/') => host,
            _ => base,
        };
        let url = format!("{host}/{name}{parameters}");
        let database = Self { server: server.to_owned(), name, url };
        execute(server, &format!("CREATE DATABASE {}", database.name)).await?;
        Ok(database)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn execute(&self, sql: &str) -> Outcome<()> {
        execute(&self.url, sql).await
    }

    /// The one text of the one row of a query.
    pub(crate) async fn text(&self, sql: &str) -> Outcome<String> {
        let mut connection = PgConnection::connect(&self.url).await.map_err(Problem::failed)?;
        let text = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut connection)
            .await
            .map_err(Problem::failed)?;
        connection.close().await.map_err(Problem::failed)?;
        Ok(text)
    }

    /// Drops it, whoever is connected.
    pub(crate) async fn drop(self) -> Outcome<()> {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

async fn execute(url: &str, sql: &str) -> Outcome<()> {
    let mut connection = PgConnection::connect(url).await.map_err(Problem::failed)?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .map_err(Problem::failed)?;
    connection.close().await.map_err(Problem::failed)
}
