//! What the tables of combat hold, read as an analyst reads them.

use gamemesh_testkit::World;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

/// One number that a query answers. `{}` stands before the names of tables.
pub(super) async fn count(world: &World, query: &str) -> i64 {
    let url = world.database_url();
    if url.starts_with("postgres") {
        let query = query.replace("{}", "gameplay.");
        let mut database = PgConnection::connect(&url).await.unwrap();
        return sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut database)
            .await
            .unwrap();
    }
    let url = url.replace("gamemesh.db", "gamemesh-combat.db");
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let query = query.replace("{}", "");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut database).await.unwrap()
}
