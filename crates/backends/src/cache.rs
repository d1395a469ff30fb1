//! The cache that instances share, where there is one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "redis")]
use gamemesh_cache::Lifetimes;
use gamemesh_cache::{Copies, L2, L2Statistics};
use gamemesh_guard::PoolStatistics;
#[cfg(feature = "redis")]
use gamemesh_redis::{RedisCache, RedisOptions, RedisTls};
use gamemesh_repository::Incarnation;

use crate::BackendError;

/// A cache that instances of one store share.
#[derive(Clone)]
pub struct SharedCache {
    pub port: Arc<dyn L2>,
    /// Where programs outside read records.
    pub copies: Arc<dyn Copies>,
    figures: Arc<dyn Fn() -> (PoolStatistics, L2Statistics) + Send + Sync>,
}

/// What a shared cache may take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheCapacity {
    /// Commands on their way at a time.
    pub connections_max: u32,
    /// How long an operation may take before its caller goes on without the cache.
    pub timeout: Duration,
    /// How long a value is kept, at most.
    pub time_to_live: Duration,
    pub tls: CacheTls,
}

/// What servers are checked with and shown whose URL begins with `rediss://`: files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheTls {
    /// `None`: the authorities of the machine.
    pub ca_file: Option<PathBuf>,
    /// A certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Opens the cache of a store at this URL; without one, instances share none. A cache that is away is
/// no error: everything is served without it.
///
/// Must be called on the runtime that the cache is used on.
pub fn open_cache(
    url: Option<&str>,
    store: Incarnation,
    capacity: CacheCapacity,
) -> Result<Option<SharedCache>, BackendError> {
    url.map(|url| redis(url, store, capacity)).transpose()
}

#[cfg(feature = "redis")]
fn redis(
    url: &str,
    store: Incarnation,
    capacity: CacheCapacity,
) -> Result<SharedCache, BackendError> {
    let options = RedisOptions {
        connections_max: capacity.connections_max,
        timeout: capacity.timeout,
        lifetimes: Lifetimes { value: capacity.time_to_live, ..Lifetimes::default() },
        tls: RedisTls { ca_file: capacity.tls.ca_file, certificate: capacity.tls.certificate },
        ..RedisOptions::default()
    };
    let redis = Arc::new(RedisCache::open(url, store.0, options)?);
    let (port, copies) = (redis.clone(), redis.clone());
    let figures = Arc::new(move || (redis.pool_statistics(), redis.statistics()));
    Ok(SharedCache { port, copies, figures })
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str, _: Incarnation, _: CacheCapacity) -> Result<SharedCache, BackendError> {
    Err(BackendError::CacheNotBuilt)
}

impl SharedCache {
    pub fn pool_statistics(&self) -> PoolStatistics {
        (self.figures)().0
    }

    pub fn statistics(&self) -> L2Statistics {
        (self.figures)().1
    }
}

impl std::fmt::Debug for SharedCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedCache")
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_chooses_redis_and_none_no_cache() {
        let capacity = CacheCapacity {
            connections_max: 1,
            timeout: Duration::from_millis(50),
            time_to_live: Duration::from_secs(1),
            tls: CacheTls::default(),
        };
        let open = |url| open_cache(url, Incarnation([7; 16]), capacity.clone());
        assert!(open(None).unwrap().is_none());
        // Nothing listens on port 1: that is found out later, and does not matter now.
        let redis = open(Some("redis://127.0.0.1:1"));
        assert_eq!(redis.as_ref().is_ok_and(Option::is_some), cfg!(feature = "redis"));
        if let Ok(Some(redis)) = redis {
            assert!(redis.port.get("k").await.is_err());
            assert_eq!(redis.statistics().failures_total, 1);
            assert_eq!(redis.pool_statistics().connections_max, 1);
        }
        let wrong = open(Some("redis://:hush@h/7?cluster=a:1")).unwrap_err();
        assert!(wrong.is_configuration() && !wrong.to_string().contains("hush"), "{wrong}");
    }
}
