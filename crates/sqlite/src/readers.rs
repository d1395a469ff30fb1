//! The reading connections, with a bounded wait.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Semaphore, SemaphorePermit};

use gamemesh_repository::LogError;

use crate::SqliteOptions;
use crate::error::log_error;

pub(crate) struct Readers {
    pool: SqlitePool,
    /// One permit for each connection and each waiter.
    admitted: Semaphore,
}

/// A reading connection, given back when dropped.
pub(crate) struct Reader<'a> {
    connection: PoolConnection<Sqlite>,
    _admitted: SemaphorePermit<'a>,
}

impl Readers {
    pub(crate) fn new(options: &SqliteOptions, connect: SqliteConnectOptions) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .min_connections(0)
            .acquire_timeout(options.wait_max)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(connect);
        let admitted = Semaphore::new((options.readers.max(1) + options.waiters_max) as usize);
        Self { pool, admitted }
    }

    /// A connection; refused at once when too many wait, or after the longest wait.
    pub(crate) async fn get(&self) -> Result<Reader<'_>, LogError> {
        let admitted = self.admitted.try_acquire().map_err(|_| LogError::PoolExhausted)?;
        let connection = self.pool.acquire().await.map_err(log_error)?;
        Ok(Reader { connection, _admitted: admitted })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl std::ops::Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
