//! What the configuration names, opened.

use gamemesh_backends::{Backends, Bus, CacheCapacity, Capacity, SharedCache};
use gamemesh_rpc::config::ServerConfig;

use crate::exit::Outcome;

/// Clones are the same stores.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) backends: Backends,
    pub(crate) bus: Bus,
    pub(crate) shared: Option<SharedCache>,
}

impl Opened {
    /// The database must be there; the others may come later.
    pub(crate) async fn by(config: &ServerConfig) -> Outcome<Self> {
        let url = config.storage.database_url.expose();
        let backends = gamemesh_backends::open(url, capacity(config)).await?;
        let kafka = &config.kafka;
        let bus = gamemesh_backends::open_bus(&kafka.brokers, kafka.message_bytes_max)?;
        let shared = gamemesh_backends::open_cache(
            config.redis.url.as_ref().map(|url| url.expose()),
            backends.log.incarnation(),
            cache_capacity(config),
        )?;
        Ok(Self { backends, bus, shared })
    }
}

fn capacity(config: &ServerConfig) -> Capacity {
    Capacity {
        readers: config.tuning.workers as u32,
        queue_max: config.tuning.buffer_size,
        server_connections_min: config.storage.postgres_min_conns,
        server_connections_max: config.storage.postgres_max_conns,
    }
}

pub(crate) fn cache_capacity(config: &ServerConfig) -> CacheCapacity {
    CacheCapacity {
        connections_max: config.redis.pool_size,
        timeout: config.redis.timeout,
        time_to_live: config.tuning.cache_ttl,
    }
}
