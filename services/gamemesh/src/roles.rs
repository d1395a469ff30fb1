//! The services that this binary has, and how each is mounted.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_backends::Backends;
use gamemesh_combat::CombatConfig;
use gamemesh_memory::MemoryConfig;
use gamemesh_memory::embedder::{Embedder, http, minilm};
use gamemesh_repository::LogName;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{Embedding, EmbeddingApi, Lanes, MessageFormat, Secret, ServerConfig};
use gamemesh_rpc::forward::{Instances, Mark};
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::tls::Connector;
use gamemesh_state::{EventsFormat, OwnedLanes, StateConfig, Stores};
use gamemesh_stats::{Rules, Season, StatsConfig};

use crate::exit::{Exit, Outcome, Problem};
use crate::opened::Opened;

/// The names by which `--services` chooses.
pub(crate) const ROLES: [&str; 5] = ["state", "combat", "stats", "memory", "damage-validator"];

/// How long a session or match whose owner is not heard of stays its own, where nothing else is said.
const OWNER_LEASE: Duration = Duration::from_secs(5);

/// What a service needs to call other instances and to be called by them.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    pub(crate) connector: Connector,
    pub(crate) clock: Clock,
}

pub(crate) async fn mount(
    role: &str,
    config: &ServerConfig,
    opened: &Opened,
    outside: &Outside,
    metrics: &Metrics,
    lifecycle: &Lifecycle,
) -> Outcome<Mounted> {
    let clock = &outside.clock;
    match role {
        "state" => {
            let backends = opened.store(LogName::State)?;
            let stores = Stores {
                log: backends.log.clone(),
                snapshots: backends.snapshots.clone(),
                cursors: backends.cursors.clone(),
                tables: backends.tables.clone(),
                documents: backends.documents.clone(),
                bus: opened.bus.publisher.clone(),
                shared: opened.shared.as_ref().map(|shared| shared.port.clone()),
                lanes: owned_lanes(config, backends, outside),
            };
            let (config, clock) = (state_config(config, backends), clock.clone());
            gamemesh_state::mount(stores, config, clock, metrics, lifecycle.clone())
                .await
                .map_err(Problem::failed)
        }
        "combat" => {
            let backends = opened.store(LogName::Combat)?;
            let stores = gamemesh_combat::Stores {
                log: backends.log.clone(),
                cursors: backends.cursors.clone(),
                writer: backends.tables.clone(),
                tables: backends.combat.clone(),
                bus: opened.bus.publisher.clone(),
                lanes: owned_always(config, backends, outside),
            };
            gamemesh_combat::mount(
                stores,
                combat_config(config, combat_secret(config, backends))?,
                clock.clone(),
                metrics,
                lifecycle.clone(),
            )
            .await
            .map_err(Problem::failed)
        }
        "damage-validator" => {
            // It gives no token away.
            let content = combat_config(config, Secret::default())?.content;
            let consumers = opened.bus.consumers.clone();
            Ok(gamemesh_combat::mount_validator(consumers, content, metrics))
        }
        "stats" => {
            let backends = opened.store(LogName::Stats)?;
            let stores = gamemesh_stats::Stores {
                log: backends.log.clone(),
                tables: backends.stats.clone(),
                consumers: Some(opened.bus.consumers.clone()),
                shared: opened.hot_stats.as_ref().map(|shared| shared.port.clone()),
                lanes: owned_always(config, backends, outside).filter(|_| reach_each_other(config)),
            };
            let (config, clock) = (stats_config(config), clock.clone());
            gamemesh_stats::mount(stores, config, clock, metrics, lifecycle.clone())
                .await
                .map_err(Problem::failed)
        }
        "memory" => {
            let backends = opened.store(LogName::Memory)?;
            let stores = gamemesh_memory::Stores {
                log: backends.log.clone(),
                snapshots: backends.snapshots.clone(),
                cursors: backends.cursors.clone(),
                writer: backends.tables.clone(),
                documents: backends.documents.clone(),
                tables: backends.memories.clone(),
                shared: opened.entities.as_ref().map(|shared| shared.port.clone()),
                copies: opened.entities.as_ref().map(|shared| shared.copies.clone()),
            };
            let (config, clock) = (memory_config(config, backends)?, clock.clone());
            gamemesh_memory::mount(stores, config, clock, metrics, lifecycle.clone())
                .await
                .map_err(Problem::failed)
        }
        other => Err(Problem::failed(format!("no service is named {other}"))),
    }
}

/// Whether this instance shares the lanes out with others, and what it needs for it.
fn owned_lanes(
    config: &ServerConfig,
    backends: &Backends,
    outside: &Outside,
) -> Option<OwnedLanes> {
    let Lanes::Owned { advertise, lease } = &config.lanes else { return None };
    if !backends.is_shared() {
        tracing::info!("LANES=owned: this store has one process, which every lane belongs to");
        return None;
    }
    let address = advertise.clone().unwrap_or_else(|| config.listen.addr.to_string());
    tracing::info!(address, ?lease, "lanes are owned");
    Some(outside.lanes(backends, address, *lease))
}

/// Sessions and counted matches have one owner wherever instances share a store, whatever the state does.
fn owned_always(
    config: &ServerConfig,
    backends: &Backends,
    outside: &Outside,
) -> Option<OwnedLanes> {
    if !backends.is_shared() {
        return None;
    }
    let lease = match &config.lanes {
        Lanes::Owned { lease, .. } => *lease,
        Lanes::Shared => OWNER_LEASE,
    };
    let addr = config.listen.addr;
    if config.listen.advertise.is_none() && addr.ip().is_unspecified() {
        tracing::warn!(%addr, "ADVERTISE_ADDR is not set: other instances cannot pass calls on to this one");
    }
    let address = config.listen.advertise.clone().unwrap_or_else(|| addr.to_string());
    Some(outside.lanes(backends, address, lease))
}

impl Outside {
    fn lanes(&self, backends: &Backends, address: String, lease: Duration) -> OwnedLanes {
        let (mark, connector) = (self.mark(backends), self.connector.clone());
        OwnedLanes { leases: backends.leases.clone(), address, lease, mark, connector }
    }

    /// By which instances of a store know each other.
    fn mark(&self, backends: &Backends) -> Mark {
        Mark::new(&backends.log.secret(), self.clock.clone())
    }

    /// The other instances of these stores.
    pub(crate) fn instances(&self, opened: &Opened) -> Instances {
        Instances::new(opened.stores().map(|(_, store)| self.mark(store)))
    }
}

/// What signs the tokens that a service gives away: the secret that the operator gave, else the store's.
fn token_secret(config: &ServerConfig, backends: &Backends) -> Secret {
    let given = config.auth.jwt_secret.clone();
    given.unwrap_or_else(|| Secret::of_bytes(backends.log.secret().expose()))
}

/// The same of combat, whose players shall come back with what they have when the other changes.
fn combat_secret(config: &ServerConfig, backends: &Backends) -> Secret {
    config.combat_resume_secret.clone().unwrap_or_else(|| token_secret(config, backends))
}

fn combat_config(config: &ServerConfig, token_secret: Secret) -> Outcome<CombatConfig> {
    let content = match &config.listen.combat_content {
        None => gamemesh_combat::content::shipped(),
        Some(folder) => gamemesh_combat::content::of_folder(folder)
            .map_err(|error| Problem::new(Exit::Config, format!("{}/{error}", folder.display())))?,
    };
    Ok(CombatConfig {
        shards: config.tuning.workers,
        token_secret,
        content: Arc::new(content),
        echo: config.listen.websocket_echo,
    })
}

/// Whether instances can bring each other events. If not, each writes what it gets: counted once all the same.
fn reach_each_other(config: &ServerConfig) -> bool {
    let is_reached = config.listen.advertise.is_some() || !config.listen.addr.ip().is_unspecified();
    if !is_reached {
        tracing::warn!(
            "stats: instances cannot call each other, so each writes by itself and without a fence; \
             set ADVERTISE_ADDR"
        );
        return false;
    }
    true
}

fn stats_config(config: &ServerConfig) -> StatsConfig {
    let settings = &config.stats;
    StatsConfig {
        workers: config.tuning.workers,
        ingest_bytes_max: settings.ingest_bytes_max,
        season: Season { first_day: settings.season_first_day, days: settings.season_days },
        rules: Rules {
            trade_window_us: settings.trade_window.as_micros() as i64,
            multi_kill_gap_us: settings.multi_kill_gap.as_micros() as i64,
        },
        window_grace: settings.window_grace,
        events_topic: settings.events_topic.clone(),
        combat_topic: settings.combat_topic.clone(),
        consumer_group: settings.group.clone(),
        ..StatsConfig::default()
    }
}

fn memory_config(config: &ServerConfig, backends: &Backends) -> Outcome<MemoryConfig> {
    Ok(MemoryConfig {
        pages_bytes_max: config.tuning.memory_pages_bytes,
        token_secret: token_secret(config, backends),
        embedder: embedder(&config.embedding)?,
        shared_reply_max: config.redis.timeout * 2,
        ..MemoryConfig::default()
    })
}

/// What makes vectors of texts, if anything does.
fn embedder(config: &Embedding) -> Outcome<Option<Arc<dyn Embedder>>> {
    let wrong = |message: String| Problem::new(Exit::Config, message);
    let (name, version) = config.model.split_once('@').unwrap_or((&config.model, ""));
    if let Some(folder) = &config.model_dir {
        let model = minilm::MiniLm::open(folder, name, version);
        let model = model.map_err(|why| wrong(format!("EMBEDDING_MODEL_DIR: {why}")))?;
        return Ok(Some(Arc::new(model)));
    }
    let Some(url) = &config.url else { return Ok(None) };
    let endpoint = http::Endpoint {
        url: url.clone(),
        api: match config.api {
            EmbeddingApi::OpenAi => http::Api::OpenAi,
            EmbeddingApi::Tei => http::Api::Tei,
        },
        name: name.to_owned(),
        version: version.to_owned(),
        dimension: config.dimension,
        key: config.key.clone(),
    };
    let model = http::HttpEmbedder::new(endpoint);
    let model = model.map_err(|why| wrong(format!("EMBEDDING_MODEL: {why}")))?;
    Ok(Some(Arc::new(model)))
}

fn state_config(config: &ServerConfig, backends: &Backends) -> StateConfig {
    StateConfig {
        cache_bytes_max: config.tuning.cache_bytes,
        cache_entries: config.tuning.memory_pool_size,
        sample_interval: config.tuning.cache_sample_interval as u64,
        projection_rows_max: config.tuning.batch_size,
        token_secret: token_secret(config, backends),
        // What ends by itself shall do so: then its breaker knows of it.
        shared_reply_max: config.redis.timeout * 2,
        events_topic: config.kafka.state_topic.clone(),
        events_format: match config.kafka.format {
            MessageFormat::Protobuf => EventsFormat::Protobuf,
            MessageFormat::Json => EventsFormat::Json,
        },
        ..StateConfig::default()
    }
}
