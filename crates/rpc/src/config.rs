//! Configuration: flags beat the environment, the environment beats the file, the file beats the
//! defaults.
//!
//! One table ([`KEYS`]) names every key; flags, `--help`, environment names, file keys, error
//! messages and the documentation follow from it. [`ServerConfig::resolve`] is a pure function of
//! what it is given, so that tests never write the process environment.

mod args;
mod file;
#[cfg(test)]
mod fuzz;
mod kafka;
mod keys;
mod listen;
mod reader;
mod secret;
mod stats;
#[cfg(test)]
mod tests;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use args::ServerArgs;
pub use file::ConfigFile;
pub use keys::{KEYS, Key, markdown_table};
pub use reader::{ConfigError, ConfigErrors, Source};
pub use secret::{BackendUrl, Secret};
pub use stats::StatsSettings;

use gamemesh_bus::BrokerSecurity;

use crate::auth::Role;
use crate::edge::Network;
use reader::Reader;

/// The shortest secret that may sign tokens outside development, in bytes: as long as the
/// SHA-256 output that it keys.
pub const JWT_SECRET_BYTES_MIN: usize = 32;

/// Everything that a process needs to know before it starts.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub environment: Environment,
    pub roles: Roles,
    pub listen: Listen,
    pub lanes: Lanes,
    pub storage: Storage,
    pub redis: Redis,
    pub kafka: Kafka,
    pub embedding: Embedding,
    pub stats: StatsSettings,
    pub tuning: Tuning,
    pub auth: AuthConfig,
    /// Signs combat's resume tokens; `None`: the JWT secret, else the store's own.
    pub combat_resume_secret: Option<Secret>,
    /// `None`: the port speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    pub limits: Limits,
    pub telemetry: TelemetryConfig,
    pub pprof: Pprof,
    pub peers: PeersConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Staging,
    Production,
}

/// Which services this process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    All,
    Only(Vec<String>),
}

#[derive(Debug, Clone)]
pub struct Listen {
    pub addr: SocketAddr,
    /// `host:port` at which other instances reach this one; `None`: the address that is listened on.
    pub advertise: Option<String>,
    /// Where the bound port is written once the server listens.
    pub port_file: Option<PathBuf>,
    /// Where the content of combat lies; `None`: the one that ships with the binary.
    pub combat_content: Option<PathBuf>,
    /// For suites that check the protocol of WebSockets: there is a sub-protocol that returns what it is
    /// sent. In development only.
    pub websocket_echo: bool,
    pub connections_max: usize,
    pub streams_per_connection_max: u32,
    /// Connections on which nobody was authenticated yet.
    pub stranger_connections_max: usize,
    /// Of one address, one player and one game server; 0 is no bound.
    pub connections_per_address_max: usize,
    pub connections_per_player_max: u32,
    pub connections_per_server_max: u32,
    pub trusted_proxies: Vec<Network>,
    pub idle_timeout: Duration,
    pub stranger_idle_timeout: Duration,
    pub resets_max: usize,
    pub reset_pause: Duration,
    /// How long the process goes on accepting after it has said that it ends.
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    pub cors_origins: CorsOrigins,
}

/// Which web origins may call the API from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    None,
    Any,
    Only(Vec<String>),
}

/// How several instances of one store share its lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lanes {
    /// Each writes to all of them.
    Shared,
    /// Each lane has an owner, to whom the others pass writes on.
    Owned {
        /// `host:port`; `None`: the address that is listened on, which is not every interface.
        advertise: Option<String>,
        lease: Duration,
    },
}

#[derive(Debug, Clone)]
pub struct Storage {
    pub database_url: BackendUrl,
    pub postgres_max_conns: u32,
    pub postgres_min_conns: u32,
    pub postgres_replica_urls: Vec<BackendUrl>,
}

/// Without a URL, instances share no cache.
#[derive(Debug, Clone)]
pub struct Redis {
    /// The complete URL, whether it was given as one or as address, password and database.
    pub url: Option<BackendUrl>,
    /// For `rediss://`.
    pub tls: ClientTlsFiles,
    /// Commands at a time.
    pub pool_size: u32,
    /// How long one of them may take.
    pub timeout: Duration,
}

/// Without brokers, events stay in the process.
#[derive(Debug, Clone)]
pub struct Kafka {
    pub brokers: Vec<String>,
    pub security: BrokerSecurity,
    pub state_topic: String,
    pub format: MessageFormat,
    /// The largest message that the brokers take.
    pub message_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    Protobuf,
    Json,
}

/// What makes vectors of texts; without folder and URL they come from callers.
#[derive(Debug, Clone)]
pub struct Embedding {
    pub model_dir: Option<PathBuf>,
    pub url: Option<http::Uri>,
    pub api: EmbeddingApi,
    /// `name` or `name@version`.
    pub model: String,
    pub dimension: usize,
    pub key: Option<Secret>,
}

/// How an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingApi {
    OpenAi,
    Tei,
}

#[derive(Debug, Clone)]
pub struct Tuning {
    /// Bound of the pages of NPCs.
    pub memory_pages_bytes: usize,

    pub memory_pool_size: usize,
    pub cache_ttl: Duration,
    pub cache_bytes: u64,
    /// One in so many answers is compared with the log; none if 0.
    pub cache_sample_interval: usize,
    pub batch_size: usize,
    pub workers: usize,
    pub buffer_size: usize,
    pub pin_threads: bool,
}

#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    pub jwt_secret: Option<Secret>,
    /// Where public keys come from.
    pub jwks: Option<JwksSource>,
    pub jwt_issuer: Option<String>,
    pub jwt_audience: Option<String>,
    /// SPIFFE ids of client certificates, and the roles that they have without a token.
    pub spiffe_roles: Vec<(String, Role)>,
}

/// Where public keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    File(PathBuf),
    Url(http::Uri),
}

/// The files of a server that speaks TLS. They may be replaced while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The chain, the server's own certificate first, in PEM.
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    pub client_auth: Option<ClientAuth>,
}

/// Client certificates (mTLS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// The authorities that sign them, in PEM.
    pub ca_file: PathBuf,
    /// Whether a client without one is turned away in the handshake.
    pub is_required: bool,
}

/// What a server is checked with that this process calls over TLS, and what it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTlsFiles {
    /// Authorities in PEM; `None`: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// A certificate and its key, in PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// How this process calls others over TLS. The files may be replaced while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerTlsConfig {
    /// The authorities that sign their certificates; `None`: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The certificate that is shown to them, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The name that their certificates have; `None`: the host that is called.
    pub name: Option<String>,
}

impl AuthConfig {
    /// Whether callers must bring a token.
    pub fn has_keys(&self) -> bool {
        self.jwt_secret.is_some() || self.jwks.is_some()
    }
}

/// What one process takes at a time, and from one caller. A rate of 0 is no limit.
#[derive(Debug, Clone)]
pub struct Limits {
    pub player_reads_per_second: u32,
    pub player_writes_per_second: u32,
    pub server_reads_per_second: u32,
    pub server_writes_per_second: u32,
    pub in_flight_max: usize,
    /// Of one player, spectator or analyst.
    pub in_flight_player_max: usize,
    /// Of one game server.
    pub in_flight_server_max: usize,
    /// Streams that one player, spectator or analyst has open, and one game server.
    pub player_streams_max: u32,
    pub server_streams_max: u32,
    /// Of what one caller reads in batches, pages and histories; 0 is no limit.
    pub player_bytes_per_second: usize,
    pub server_bytes_per_second: usize,
    /// Of request bodies, of all clients.
    pub receiving_bytes_max: usize,
    pub connection_receiving_bytes_max: usize,
    /// What a message may take beside the time that the least pace gives it.
    pub body_grace: Duration,
    pub body_bytes_per_second_min: usize,
    pub request_bytes_max: usize,
    pub deadline_max: Duration,
}

#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    pub log_level: String,
    pub log_format: LogFormat,
    pub otlp_endpoint: Option<String>,
    pub otlp_tls: ClientTlsFiles,
    pub otlp_sample_ratio: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    Json,
    Pretty,
}

/// Where the services are that this process does not run.
#[derive(Debug, Clone)]
pub struct PeersConfig {
    /// Service and URL.
    pub addresses: Vec<(String, String)>,
    /// `None`: each service signs its own with the JWT secret.
    pub token: Option<Secret>,
    pub tls: PeerTlsConfig,
}

/// Where `/debug/pprof` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pprof {
    ServicePort,
    Own(SocketAddr),
    Off,
}

impl ServerConfig {
    /// Reads the process environment and the file that `--config` or `GAMEMESH_CONFIG` names.
    pub fn load(args: &ServerArgs) -> Result<Self, ConfigErrors> {
        let env = |name: &str| std::env::var(name).ok();
        let path = args.config.clone().or_else(|| env("GAMEMESH_CONFIG").map(PathBuf::from));
        let file = path.map(|path| ConfigFile::read(&path)).transpose()?;
        Self::resolve(args, env, file.as_ref())
    }

    /// The configuration that follows from these three sources and the defaults; every wrong
    /// value is reported, not only the first.
    pub fn resolve(
        args: &ServerArgs,
        env: impl Fn(&str) -> Option<String>,
        file: Option<&ConfigFile>,
    ) -> Result<Self, ConfigErrors> {
        let mut r = Reader::new(args, &env, file);
        let environment = r.read("environment", value::environment);
        let auth = AuthConfig {
            jwt_secret: r.read_opt("jwt-secret", value::secret),
            jwks: listen::jwks(&mut r),
            jwt_issuer: r.read_opt("jwt-issuer", value::text),
            jwt_audience: r.read_opt("jwt-audience", value::text),
            spiffe_roles: r.read_opt("tls-spiffe-roles", value::spiffe_roles).unwrap_or_default(),
        };
        Self::check_keys(&mut r, environment, &auth);
        let development = environment == Environment::Development;
        let addr = listen::address(&mut r, auth.has_keys());
        if !auth.has_keys() && !addr.ip().is_loopback() {
            r.refuse(
                "http-addr",
                "a loopback address, or a key: without JWT_SECRET or public keys every caller is an administrator",
            );
        }
        let advertise = r.read_opt("advertise-addr", value::one_address);
        let websocket_echo = r.read("websocket-echo", value::switch);
        if websocket_echo && !development {
            r.refuse("websocket-echo", "off outside development");
        }
        let tls = listen::tls(&mut r);
        let peers = listen::peers(&mut r, tls.as_ref());
        let config = Self {
            environment,
            roles: r.read("services", value::roles),
            lanes: listen::lanes(&mut r, addr, advertise.clone()),
            listen: Listen {
                stranger_connections_max: listen::strangers(&mut r),
                connections_per_address_max: listen::connections_of(
                    &mut r,
                    "max-address-connections",
                    if development { 0 } else { 1_024 },
                ) as usize,
                connections_per_player_max: listen::connections_of(
                    &mut r,
                    "max-player-connections",
                    if development { 0 } else { 64 },
                ),
                connections_per_server_max: listen::connections_of(
                    &mut r,
                    "max-server-connections",
                    if development { 0 } else { 1_024 },
                ),
                trusted_proxies: r.read("trusted-proxies", value::networks),
                idle_timeout: r.read("idle-timeout", value::duration),
                stranger_idle_timeout: r.read("stranger-idle-timeout", value::duration),
                resets_max: r.read("max-resets", value::count::<1, 1_000_000>),
                reset_pause: r.read("reset-pause", value::duration),
                addr,
                advertise,
                combat_content: r
                    .read_opt("combat-content", |text| value::text(text).map(PathBuf::from)),
                port_file: r.read_opt("port-file", |text| value::text(text).map(PathBuf::from)),
                websocket_echo,
                connections_max: r.read("max-connections", value::count::<1, 1_000_000>),
                streams_per_connection_max: r
                    .read("max-streams", |t| value::count::<1, 1_000_000>(t)?.try_into().ok()),
                drain_delay: r.read("drain-delay", value::duration_or_none),
                drain_timeout: r.read("drain-timeout", value::duration),
                cors_origins: r
                    .read_opt("cors-origins", value::origins)
                    .unwrap_or(if development { CorsOrigins::Any } else { CorsOrigins::None }),
            },
            storage: Self::storage(&mut r),
            redis: listen::redis(&mut r),
            kafka: kafka::kafka(&mut r),
            embedding: listen::embedding(&mut r),
            stats: stats::stats(&mut r),
            tuning: Tuning {
                memory_pages_bytes: r
                    .read("memory-pages-bytes", |text| usize::try_from(value::bytes(text)?).ok()),
                memory_pool_size: r.read("memory-pool-size", value::count::<1, 100_000_000>),
                cache_ttl: r.read("cache-ttl", value::duration),
                cache_bytes: r.read("cache-bytes", value::bytes),
                cache_sample_interval: r
                    .read("cache-sample-interval", value::count::<0, 1_000_000_000>),
                batch_size: r.read("batch-size", value::count::<1, 100_000>),
                workers: r.read("workers", value::count::<1, 1_024>),
                buffer_size: r.read("buffer-size", value::count::<1, 100_000_000>),
                pin_threads: r.read("pin-threads", value::switch),
            },
            combat_resume_secret: r.read_opt("combat-resume-secret", value::long_secret),
            tls,
            limits: Self::limits(&mut r, development),
            telemetry: TelemetryConfig {
                log_level: r.read("log-level", value::log_level),
                log_format: r.read("log-format", value::log_format),
                otlp_endpoint: r.read_opt("otlp-endpoint", value::http_url),
                otlp_tls: listen::otlp_tls(&mut r),
                otlp_sample_ratio: r.read("otlp-sample-ratio", value::ratio),
            },
            pprof: match r.read_opt("pprof-addr", value::socket_addr) {
                Some(addr) => Pprof::Own(addr),
                None if development => Pprof::ServicePort,
                None => Pprof::Off,
            },
            peers,
            auth,
        };
        r.finish(config)
    }

    /// The roles to run out of those that the binary has, in the binary's order.
    pub fn roles<'a>(&self, known: &[&'a str]) -> Result<Vec<&'a str>, ConfigErrors> {
        let Roles::Only(wanted) = &self.roles else { return Ok(known.to_vec()) };
        let unknown: Vec<ConfigError> = wanted
            .iter()
            .filter(|role| !known.contains(&role.as_str()))
            .map(|role| ConfigError::wrong_role(role, known))
            .collect();
        if unknown.is_empty() {
            Ok(known.iter().copied().filter(|role| wanted.iter().any(|w| w == role)).collect())
        } else {
            Err(ConfigErrors(unknown))
        }
    }

    /// Outside development missing keys or a guessable secret would let anybody in.
    fn check_keys(r: &mut Reader<'_>, environment: Environment, auth: &AuthConfig) {
        if environment == Environment::Development {
            return;
        }
        match &auth.jwt_secret {
            None if auth.jwks.is_none() => r.refuse(
                "jwt-secret",
                "a secret, or jwt-jwks-file or jwt-jwks-url instead: keys are required outside development",
            ),
            Some(secret) if secret.expose().len() < JWT_SECRET_BYTES_MIN => {
                r.refuse("jwt-secret", "at least 32 bytes outside development");
            }
            Some(_) | None => {}
        }
    }

    fn storage(r: &mut Reader<'_>) -> Storage {
        let storage = Storage {
            database_url: r.read("database-url", value::database_url),
            postgres_max_conns: r.read("postgres-max-conns", value::connections),
            postgres_min_conns: r.read("postgres-min-conns", value::connections_or_none),
            postgres_replica_urls: r
                .read_opt("postgres-replica-urls", value::postgres_urls)
                .unwrap_or_default(),
        };
        if storage.postgres_min_conns > storage.postgres_max_conns {
            r.refuse("postgres-min-conns", "at most the value of postgres-max-conns");
        }
        storage
    }

    /// A developer who loads his own machine is not an attacker: rates are off in development.
    fn limits(r: &mut Reader<'_>, development: bool) -> Limits {
        let mut rate = |name, elsewhere| {
            r.read_opt(name, value::rate).unwrap_or(if development { 0 } else { elsewhere })
        };
        let some = |text: &str| value::rate(text).filter(|count| *count > 0);
        let bytes = |r: &mut Reader<'_>, name, elsewhere| {
            r.read_opt(name, value::size).unwrap_or(if development { 0 } else { elsewhere })
        };
        Limits {
            player_reads_per_second: rate("rate-limit-read", 200),
            player_writes_per_second: rate("rate-limit-write", 100),
            server_reads_per_second: rate("rate-limit-server-read", 50_000),
            server_writes_per_second: rate("rate-limit-server-write", 20_000),
            in_flight_max: r.read("max-in-flight", value::count::<1, 1_000_000>),
            in_flight_player_max: r.read("max-in-flight-player", value::count::<1, 1_000_000>),
            in_flight_server_max: r.read("max-in-flight-server", value::count::<1, 1_000_000>),
            player_streams_max: r.read("max-player-streams", some),
            server_streams_max: r.read("max-server-streams", some),
            player_bytes_per_second: bytes(r, "rate-limit-bytes", 32 << 20),
            server_bytes_per_second: bytes(r, "rate-limit-server-bytes", 1 << 30),
            receiving_bytes_max: r.read("max-receiving-bytes", value::size),
            connection_receiving_bytes_max: r.read("max-connection-receiving-bytes", value::size),
            body_grace: r.read("body-grace", value::duration),
            body_bytes_per_second_min: r
                .read("min-body-rate", |text| value::size(text).filter(|bytes| *bytes > 0)),
            request_bytes_max: r.read("max-request-bytes", |text| {
                usize::try_from(value::bytes(text)?).ok().filter(|size| *size >= 1024)
            }),
            deadline_max: r.read("max-deadline", value::duration),
        }
    }
}

impl Environment {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}
