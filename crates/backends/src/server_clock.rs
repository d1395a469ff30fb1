//! The clock of the server that stores lie on.

#[cfg(feature = "postgres")]
use gamemesh_repository::LogName;

use crate::BackendError;
use crate::scheme::Scheme;

/// In microseconds since the Unix epoch; `None`: the store has no server.
#[cfg(feature = "postgres")]
pub async fn server_time_us(url: &str) -> Result<Option<i64>, BackendError> {
    if Scheme::of(url)? != Scheme::Postgres {
        return Ok(None);
    }
    let options = gamemesh_postgres::PostgresOptions::of(LogName::State);
    Ok(Some(gamemesh_postgres::server_time_us(url, &options).await?))
}

/// Without the driver there is no such server.
#[cfg(not(feature = "postgres"))]
pub async fn server_time_us(url: &str) -> Result<Option<i64>, BackendError> {
    Scheme::of(url).map(|_| None)
}
