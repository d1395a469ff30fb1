//! Vectors as pgvector's type where the server has that extension, so that they can be used in SQL, and as
//! arrays of floats elsewhere. Both hold the same numbers, and reads and writes are the same: they give and
//! take arrays, which the database casts.

use sqlx::{Connection, PgConnection};

/// Brings the column to the extension's type, under the lock of the migrations. Whoever may not make the
/// extension, or has a server without it, keeps the arrays.
pub(super) async fn adopt(connection: &mut PgConnection, advisory_lock: i64) -> sqlx::Result<()> {
    if is_adopted(connection).await? || !is_available(connection).await? {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    // Every row is written anew, however long that takes.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(advisory_lock)
        .execute(&mut *transaction)
        .await?;
    if is_adopted(&mut transaction).await? {
        return Ok(());
    }
    if namespace(&mut transaction).await?.is_none() {
        let mut attempt = transaction.begin().await?;
        let made =
            sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS vector").execute(&mut *attempt).await;
        if let Err(sqlx::Error::Database(error)) = &made {
            tracing::info!(%error, "vectors stay arrays: the extension `vector` cannot be made");
            return Ok(());
        }
        made?;
        attempt.commit().await?;
    }
    let Some(namespace) = namespace(&mut transaction).await? else { return Ok(()) };
    let sql = format!(
        "ALTER TABLE memories ALTER COLUMN vector TYPE {namespace}.vector \
         USING vector::{namespace}.vector"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    transaction.commit().await
}

async fn is_adopted(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT t.typname = 'vector' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         WHERE a.attrelid = 'memories'::regclass AND a.attname = 'vector'",
    )
    .fetch_one(connection)
    .await
}

async fn is_available(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector')",
    )
    .fetch_one(connection)
    .await
}

/// The schema that the extension lies in, quoted; `None` where it is not made.
async fn namespace(connection: &mut PgConnection) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "SELECT quote_ident(n.nspname) FROM pg_extension e \
         JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'",
    )
    .fetch_optional(connection)
    .await
}
