//! What the configuration names, opened: for each role its log, and what all roles share.

use gamemesh_backends::{Backends, Brokers, Bus, CacheCapacity, CacheTls, Capacity, SharedCache};
use gamemesh_repository::LogName;
use gamemesh_rpc::config::ServerConfig;
use gamemesh_rpc::telemetry::Tracing;

use crate::exit::{Outcome, Problem};

/// Clones are the same stores.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// In the order of the roles, each once.
    stores: Vec<(LogName, Backends)>,
    pub(crate) bus: Bus,
    /// Of the state, where that is served.
    pub(crate) shared: Option<SharedCache>,
    /// Where the stats put hot matches, where they are served.
    pub(crate) hot_stats: Option<SharedCache>,
    /// Where the memory service shares and copies entities, where it is served.
    pub(crate) entities: Option<SharedCache>,
}

impl Opened {
    /// The database must be there; the others may come later. Only the logs of these are opened.
    pub(crate) async fn by(config: &ServerConfig, logs: &[LogName]) -> Outcome<Self> {
        let url = config.storage.database_url.expose();
        let capacity = capacity(config);
        tell_budget(url, &capacity, logs);
        let mut stores = Vec::new();
        let replicas = replicas(config);
        for log in logs {
            let capacity = capacity.of(*log, logs);
            let store =
                gamemesh_backends::open_with_replicas(url, &replicas, *log, capacity).await?;
            stores.push((*log, store));
        }
        let bus = gamemesh_backends::open_bus(brokers(config))?;
        let cache_of = |name: LogName| {
            let store = stores.iter().find(|(log, _)| *log == name);
            let open = |(_, store): &(LogName, Backends)| {
                let url = config.redis.url.as_ref().map(|url| url.expose());
                let incarnation = store.log.incarnation();
                gamemesh_backends::open_cache(url, incarnation, cache_capacity(config))
            };
            store.map(open).transpose().map(Option::flatten)
        };
        let (shared, hot_stats) = (cache_of(LogName::State)?, cache_of(LogName::Stats)?);
        let entities = cache_of(LogName::Memory)?;
        Ok(Self { stores, bus, shared, hot_stats, entities })
    }

    /// The same, with spans of what calls ask of it, where there is a collector.
    pub(crate) fn traced(mut self, url: &str, tracing: Tracing) -> Self {
        let system = if url.starts_with("postgres") { "postgresql" } else { "sqlite" };
        for (_, store) in &mut self.stores {
            store.log = tracing.log(store.log.clone(), system);
        }
        self.bus.publisher = tracing.publisher(self.bus.publisher.clone());
        self
    }

    /// The store of a role that was chosen.
    pub(crate) fn store(&self, log: LogName) -> Outcome<&Backends> {
        let opened = self.stores.iter().find(|(opened, _)| *opened == log);
        opened
            .map(|(_, store)| store)
            .ok_or_else(|| Problem::failed(format!("the log of {log} is not opened")))
    }

    pub(crate) fn stores(&self) -> impl Iterator<Item = (LogName, &Backends)> {
        self.stores.iter().map(|(log, store)| (*log, store))
    }

    /// Finishes the writes that wait, and gives all stores up.
    pub(crate) async fn close(&self) {
        for (_, store) in &self.stores {
            store.close().await;
        }
    }
}

/// The logs of these roles: a role and its log have one name.
pub(crate) fn logs_of(roles: &[&str]) -> Outcome<Vec<LogName>> {
    // A role that only reads topics has no log.
    let logs = roles.iter().filter(|role| **role != "damage-validator");
    logs.map(|role| role.parse().map_err(Problem::failed)).collect()
}

/// The server starts all the same: more connections than allowed are better than a service without any.
fn tell_budget(url: &str, capacity: &Capacity, logs: &[LogName]) {
    let (allowed, least) = (capacity.server_connections_max, Capacity::least_connections(logs));
    let is_server = url.starts_with("postgres");
    if is_server && logs.len() > 1 && allowed < least {
        tracing::warn!(
            key = "POSTGRES_MAX_CONNS",
            allowed,
            least,
            "the services of this process need more connections, and take them"
        );
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

fn replicas(config: &ServerConfig) -> Vec<String> {
    let urls = &config.storage.postgres_replica_urls;
    if !urls.is_empty() && !config.storage.database_url.expose().starts_with("postgres") {
        tracing::warn!(
            key = "POSTGRES_REPLICA_URLS",
            "the store is no PostgreSQL and has no replicas"
        );
    }
    urls.iter().map(|url| url.expose().to_owned()).collect()
}

/// The brokers that the configuration names.
pub(crate) fn brokers(config: &ServerConfig) -> Brokers {
    let kafka = &config.kafka;
    Brokers {
        addresses: kafka.brokers.clone(),
        security: kafka.security.clone(),
        message_bytes_max: kafka.message_bytes_max,
    }
}

pub(crate) fn cache_capacity(config: &ServerConfig) -> CacheCapacity {
    CacheCapacity {
        connections_max: config.redis.pool_size,
        timeout: config.redis.timeout,
        time_to_live: config.tuning.cache_ttl,
        tls: CacheTls {
            ca_file: config.redis.tls.ca_file.clone(),
            certificate: config.redis.tls.certificate.clone(),
        },
    }
}
