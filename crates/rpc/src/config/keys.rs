//! The table of every configuration key.

use std::fmt::Write as _;

/// One key: its names, its default, and what it accepts.
#[derive(Debug)]
pub struct Key {
    /// The flag without its dashes. The file spells it with underscores.
    pub name: &'static str,
    /// Environment variables; the first that is set and not empty counts.
    pub env: &'static [&'static str],
    /// The default as it would be written; empty when there is none, or when it depends.
    pub default: &'static str,
    pub accepts: &'static str,
    pub help: &'static str,
    pub heading: &'static str,
    /// Whether the value must never be shown.
    pub secret: bool,
}

const LISTEN: &str = "Listening";
const STORE: &str = "Backends";
const TUNE: &str = "Tuning";
const SECURE: &str = "Security";
const LIMIT: &str = "Limits";
const OBSERVE: &str = "Observability";

const DURATION: &str = "a duration such as 500ms, 30s, 5m or 1h30m";
const SIZE: &str = "a size such as 4194304, 64KiB, 4MiB or 1GiB";
const PEER: &str = "an http:// or https:// URL such as http://stats:8080";
const RATE: &str = "requests a second from 0 (no limit) to 1000000";

const fn key(
    heading: &'static str,
    name: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    accepts: &'static str,
    help: &'static str,
) -> Key {
    Key { name, env, default, accepts, help, heading, secret: false }
}

const fn secret(
    heading: &'static str,
    name: &'static str,
    env: &'static [&'static str],
    accepts: &'static str,
    help: &'static str,
) -> Key {
    Key { name, env, default: "", accepts, help, heading, secret: true }
}

/// Every key, in the order of `--help`.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key(LISTEN, "services", &["SERVICES"], "all",
        "all, or a list such as state,combat",
        "Services that this process runs"),
    key(LISTEN, "environment", &["ENVIRONMENT"], "development",
        "development, staging or production",
        "What this process is for; outside development a JWT secret is required, and rates, CORS and profiling are closed by default"),
    key(LISTEN, "http-addr", &["HTTP_ADDR"], "",
        "an IP address with a port such as 0.0.0.0:8080 or [::]:8080, or :8080 for every interface",
        "Address of the one port for gRPC, REST, WebSocket and metrics. Without a host: every interface when a JWT secret is set, else 127.0.0.1. Within one source (flags, environment, file) HTTP_ADDR beats SERVER_PORT beats PORT"),
    key(LISTEN, "advertise-addr", &["ADVERTISE_ADDR"], "",
        "host:port that the other instances reach; the host may be a name",
        "Address that this instance tells the others when lanes are owned [default: the address that it listens on]"),
    key(LISTEN, "server-port", &["SERVER_PORT"], "8080",
        "a port from 0 (any free one) to 65535",
        "Port to listen on"),
    key(LISTEN, "port", &["PORT"], "",
        "a port from 0 (any free one) to 65535",
        "Port to listen on, under the name that hosting platforms set"),
    key(LISTEN, "port-file", &["PORT_FILE"], "",
        "a path",
        "File to write the bound port to, once listening"),
    key(LISTEN, "peer-state", &["PEER_STATE"], "", PEER,
        "Where the state service is, if it is not in this process"),
    key(LISTEN, "peer-combat", &["PEER_COMBAT"], "", PEER,
        "Where the combat service is, if it is not in this process"),
    key(LISTEN, "peer-stats", &["PEER_STATS"], "", PEER,
        "Where the stats service is, if it is not in this process"),
    key(LISTEN, "peer-memory", &["PEER_MEMORY"], "", PEER,
        "Where the memory service is, if it is not in this process"),
    key(LISTEN, "combat-content", &["COMBAT_CONTENT"], "",
        "a folder",
        "Folder with a content of combat: maps, weapons, actions, modes; by default the shipped one"),
    key(LISTEN, "websocket-echo", &["WEBSOCKET_ECHO"], "off",
        "on or off; on in development only",
        "For suites that check the protocol itself: combat's sockets have a sub-protocol `echo.v1` that returns what it is sent"),
    key(LISTEN, "max-connections", &["MAX_CONNECTIONS"], "16000",
        "a number from 1 to 1000000",
        "Open connections; one more is closed at once"),
    key(LISTEN, "max-streams", &["MAX_STREAMS"], "1024",
        "a number from 1 to 1000000",
        "Concurrent HTTP/2 streams on one connection"),
    key(LISTEN, "drain-delay", &["DRAIN_DELAY"], "0s",
        "a duration such as 5s; 0s for none",
        "How long the process goes on accepting after SIGTERM, not ready any more, until load balancers know"),
    key(LISTEN, "drain-timeout", &["DRAIN_TIMEOUT"], "30s",
        DURATION,
        "How long calls in flight may take to finish after SIGTERM"),
    key(LISTEN, "cors-origins", &["CORS_ORIGINS"], "",
        "*, none, or a list of origins such as https://game.example",
        "Web origins that may call the API; by default any in development and none elsewhere"),

    secret(STORE, "database-url", &["DATABASE_URL", "POSTGRES_URL"],
        "sqlite://PATH, postgres://USER:PASSWORD@HOST/DATABASE or memory:",
        "Where state is kept [default: sqlite://data/gamemesh.db]"),
    key(STORE, "postgres-max-conns", &["POSTGRES_MAX_CONNS"], "50",
        "a number from 1 to 10000",
        "PostgreSQL connections at most"),
    key(STORE, "postgres-min-conns", &["POSTGRES_MIN_CONNS"], "5",
        "a number from 0 to 10000, not above postgres-max-conns",
        "PostgreSQL connections kept open"),
    secret(STORE, "postgres-replica-urls", &["POSTGRES_REPLICA_URLS"],
        "a list of postgres:// URLs",
        "Standbys that answer reads which they have replayed; see docs/operations.md"),
    key(STORE, "lanes", &["LANES"], "shared",
        "shared or owned",
        "With several instances on one PostgreSQL: shared, any of them writes to any lane; owned, each lane has an owner to whom the others pass writes on"),
    key(STORE, "lane-lease", &["LANE_LEASE"], "10s",
        "a duration from 1s to 5m",
        "How long an owner that is not heard of keeps its lanes; it is renewed after three tenths of it"),
    key(STORE, "redis-addr", &["REDIS_ADDR"], "",
        "host:port, or a list of them for a cluster",
        "Redis as an address: the cache that instances share; redis-url beats it"),
    secret(STORE, "redis-url", &["REDIS_URL"],
        "redis://[USER:PASSWORD@]HOST:PORT[/DB], or a list of them for a cluster, which has only database 0; encryption between hosts is left to the mesh",
        "Redis as a URL"),
    secret(STORE, "redis-password", &["REDIS_PASSWORD"],
        "text",
        "Password that goes with redis-addr"),
    key(STORE, "redis-db", &["REDIS_DB"], "0",
        "a number from 0 to 15, and only 0 with a cluster",
        "Database that goes with redis-addr"),
    key(STORE, "redis-pool-size", &["REDIS_POOL_SIZE"], "100",
        "a number from 1 to 10000",
        "Commands to Redis at a time; on a single server each has its connection"),
    key(STORE, "redis-timeout", &["REDIS_TIMEOUT"], "100ms",
        "a duration from 1ms to 5s",
        "How long Redis may take before a read or write goes on without it, connecting included"),
    key(STORE, "kafka-brokers", &["KAFKA_BROKERS"], "",
        "a list of host:port",
        "Kafka brokers that events are published to; without them events stay in the process"),
    key(STORE, "kafka-security-protocol", &["KAFKA_SECURITY_PROTOCOL"], "PLAINTEXT",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        "How the brokers are spoken to"),
    key(STORE, "kafka-sasl-mechanism", &["KAFKA_SASL_MECHANISM"], "",
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        "How this process shows the brokers who it is; required with SASL"),
    key(STORE, "kafka-sasl-username", &["KAFKA_SASL_USERNAME"], "",
        "a name",
        "Who this process is for the brokers; required with SASL"),
    secret(STORE, "kafka-sasl-password", &["KAFKA_SASL_PASSWORD"],
        "text",
        "Password of kafka-sasl-username"),
    key(STORE, "kafka-ca-file", &["KAFKA_CA_FILE"], "",
        "a path to certificates in PEM",
        "Authorities that the brokers' certificates are checked with [default: those of the system]"),
    key(STORE, "kafka-cert-file", &["KAFKA_CERT_FILE"], "",
        "a path to a certificate in PEM",
        "Certificate that this process shows the brokers"),
    key(STORE, "kafka-key-file", &["KAFKA_KEY_FILE"], "",
        "a path to a private key in PEM",
        "Key of kafka-cert-file"),
    secret(STORE, "kafka-key-password", &["KAFKA_KEY_PASSWORD"],
        "text",
        "Password of kafka-key-file, if it has one"),
    key(STORE, "kafka-state-topic", &["KAFKA_STATE_TOPIC"], "game.state.events",
        "up to 249 of the characters a-z A-Z 0-9 . _ -",
        "Topic of the events of state. The relay keeps a cursor for each topic: a new one gets every event from the first"),
    key(STORE, "kafka-format", &["KAFKA_FORMAT"], "protobuf",
        "protobuf or json",
        "How events are written"),
    key(STORE, "kafka-message-bytes", &["KAFKA_MESSAGE_BYTES"], "1000000",
        "a size from 64KiB to 64MiB",
        "Largest message that the brokers take, below their message.max.bytes; a larger event goes without its data, marked claim-check"),

    key(STORE, "stats-events-topic", &["STATS_EVENTS_TOPIC"], "game.match.events",
        "up to 249 of the characters a-z A-Z 0-9 . _ -",
        "Topic that events of matches are read from"),
    key(STORE, "stats-combat-topic", &["STATS_COMBAT_TOPIC"], "game.combat.events",
        "up to 249 of the characters a-z A-Z 0-9 . _ -, another than stats-events-topic",
        "Topic that events of combat are read from, to be counted as those of matches"),
    key(STORE, "stats-group", &["STATS_GROUP"], "match-stats",
        "up to 249 of the characters a-z A-Z 0-9 . _ -",
        "Group in which instances of stats share the partitions of these topics"),

    key(STORE, "embedding-model-dir", &["EMBEDDING_MODEL_DIR"], "",
        "a folder with model.safetensors, config.json and tokenizer.json",
        "Sentence model that makes the vectors of memories in this process, such as all-MiniLM-L6-v2"),
    key(STORE, "embedding-url", &["EMBEDDING_URL"], "",
        "an http:// URL with its path, such as http://tei:8080/embed",
        "Endpoint that makes the vectors of memories; embedding-model-dir beats it"),
    key(STORE, "embedding-api", &["EMBEDDING_API"], "openai",
        "openai or tei",
        "How the endpoint speaks: as OpenAI's /v1/embeddings or as text-embeddings-inference's /embed"),
    key(STORE, "embedding-model", &["EMBEDDING_MODEL"], "all-MiniLM-L6-v2",
        "a name, or name@version",
        "The model as collections name it"),
    key(STORE, "embedding-dimension", &["EMBEDDING_DIMENSION"], "384",
        "a number from 1 to 4096",
        "Numbers of a vector of the endpoint's model"),
    secret(STORE, "embedding-key", &["EMBEDDING_KEY"],
        "text",
        "Key that is sent to the endpoint as a bearer token"),

    key(TUNE, "memory-pool-size", &["MEMORY_POOL_SIZE"], "1000",
        "a number from 1 to 100000000",
        "Aggregates that the cache is made for at first; it grows beyond, up to cache-bytes"),
    key(TUNE, "memory-pages-bytes", &["MEMORY_PAGES_BYTES"], "1GiB",
        SIZE,
        "Memory for the pages of NPCs; one that was given up is read again from the store"),
    key(TUNE, "stats-ingest-bytes", &["STATS_INGEST_BYTES"], "64MiB",
        "a size from 1MiB to 16GiB",
        "Events on their way from producers to the log of stats; with more, callers are refused as OVERLOADED, streams and the bus wait"),
    key(TUNE, "stats-season-start", &["STATS_SEASON_START"], "2026-01-01",
        "a day such as 2026-01-01, from 2000 on",
        "First day of season 1 of the leaderboards, in UTC"),
    key(TUNE, "stats-season-days", &["STATS_SEASON_DAYS"], "90",
        "a number from 1 to 3660",
        "Days of a season. With closed seasons, start and days stay as they are: closed ones are kept by their numbers"),
    key(TUNE, "stats-window-grace", &["STATS_WINDOW_GRACE"], "1h",
        "a duration from 0s to 30days",
        "How long after its end a day, week or season of the leaderboards takes late events, before it is closed"),
    key(TUNE, "stats-multi-kill-gap", &["STATS_MULTI_KILL_GAP"], "10s",
        "a duration from 1ms to 10m",
        "Kills of one life are a multi-kill if each comes within this time of the one before; to be set before the first event: boards have what was counted by the one before"),
    key(TUNE, "stats-trade-window", &["STATS_TRADE_WINDOW"], "5s",
        "a duration from 1ms to 10m",
        "A death is traded if its killer is killed by a mate within this time; to be set before the first event, too"),
    key(TUNE, "cache-ttl", &["CACHE_TTL"], "5m",
        DURATION,
        "How long an entry lives in Redis, up to a fifth less"),
    key(TUNE, "cache-bytes", &["CACHE_BYTES"], "256MiB",
        SIZE,
        "Memory for the in-process cache"),
    key(TUNE, "cache-sample-interval", &["CACHE_SAMPLE_INTERVAL"], "1000",
        "a number from 0 to 1000000000",
        "One in so many answers, at most 20 a second, is compared with the log for staleness; 0 for none"),
    key(TUNE, "batch-size", &["BATCH_SIZE"], "100",
        "a number from 1 to 100000",
        "Aggregates whose table rows are written at once"),
    key(TUNE, "workers", &["WORKERS"], "4",
        "a number from 1 to 1024",
        "Connections that read the store"),
    key(TUNE, "buffer-size", &["BUFFER_SIZE"], "10000",
        "a number from 1 to 100000000",
        "Writes that wait for the log; one more is refused as OVERLOADED"),
    key(TUNE, "pin-threads", &["PIN_THREADS"], "off",
        "on or off",
        "Keep each thread of the runtime on a processor of its own: for machines and pods whose processors nobody else uses"),

    secret(SECURE, "jwt-secret", &["JWT_SECRET"],
        "text; at least 32 bytes outside development",
        "Secret that verifies HS256 bearer tokens. Without it and without public keys, in development on a loopback address only, every caller is an administrator"),
    key(SECURE, "jwt-jwks-file", &["JWT_JWKS_FILE"], "",
        "a path to a JSON Web Key Set",
        "Public keys that verify RS256, ES256 and EdDSA bearer tokens; read again when it changes"),
    key(SECURE, "jwt-jwks-url", &["JWT_JWKS_URL"], "",
        "an http:// or https:// URL of a JSON Web Key Set",
        "The same from a URL: fetched every 5 minutes, and at most once a minute for a key id that is unknown"),
    key(SECURE, "jwt-issuer", &["JWT_ISSUER"], "",
        "text",
        "Issuer (iss) that tokens must name"),
    key(SECURE, "jwt-audience", &["JWT_AUDIENCE"], "",
        "text",
        "Audience (aud) that tokens must name"),

    secret(SECURE, "combat-resume-secret", &["COMBAT_RESUME_SECRET"],
        "text of at least 32 bytes",
        "Secret that signs combat's resume and page tokens, the same on all instances [default: the JWT secret, else a random one that the store keeps]"),

    secret(SECURE, "peer-token", &["PEER_TOKEN"],
        "a JSON Web Token of the role game-server, whose subject begins with service:",
        "Token of this process's services when they call those of others [default: signed with the JWT secret]"),

    key(SECURE, "tls-cert-file", &["TLS_CERT_FILE"], "",
        "a path to a PEM file, the server's own certificate first",
        "Certificate of the one port, which then speaks TLS only; read again when it changes"),
    key(SECURE, "tls-key-file", &["TLS_KEY_FILE"], "",
        "a path to a PEM file",
        "Private key of the certificate"),
    key(SECURE, "tls-client-ca-file", &["TLS_CLIENT_CA_FILE"], "",
        "a path to a PEM file",
        "Authorities that sign client certificates (mTLS)"),
    key(SECURE, "tls-client-auth", &["TLS_CLIENT_AUTH"], "required",
        "required or optional",
        "Whether a client without a certificate is turned away"),
    key(SECURE, "tls-spiffe-roles", &["TLS_SPIFFE_ROLES"], "",
        "a list of spiffe://ID=ROLE; roles are player, game-server, admin, spectator and analyst",
        "SPIFFE ids of client certificates, and the role that each has in a call without a token"),
    key(SECURE, "tls-peer-ca-file", &["TLS_PEER_CA_FILE"], "",
        "a path to a PEM file",
        "Authorities that sign the certificates of the other instances and services [default: tls-client-ca-file, else those of the system]"),
    key(SECURE, "tls-peer-cert-file", &["TLS_PEER_CERT_FILE"], "",
        "a path to a PEM file",
        "Certificate that is shown to the other instances and services [default: tls-cert-file]"),
    key(SECURE, "tls-peer-key-file", &["TLS_PEER_KEY_FILE"], "",
        "a path to a PEM file",
        "Private key of tls-peer-cert-file"),
    key(SECURE, "tls-peer-name", &["TLS_PEER_NAME"], "",
        "a host name, or an IP address",
        "Name that the certificates of the other instances and services have [default: the host that is called]"),

    key(LIMIT, "rate-limit-read", &["RATE_LIMIT_READ"], "",
        RATE,
        "Reads a second for one player or spectator [default: 0 in development, else 200]"),
    key(LIMIT, "rate-limit-write", &["RATE_LIMIT_WRITE"], "",
        RATE,
        "Writes a second for one player or spectator [default: 0 in development, else 100]"),
    key(LIMIT, "rate-limit-server-read", &["RATE_LIMIT_SERVER_READ"], "",
        RATE,
        "Reads a second for one game server, analyst or administrator [default: 0 in development, else 50000]"),
    key(LIMIT, "rate-limit-server-write", &["RATE_LIMIT_SERVER_WRITE"], "",
        RATE,
        "Writes a second for one game server, analyst or administrator [default: 0 in development, else 20000]"),
    key(LIMIT, "max-in-flight", &["MAX_IN_FLIGHT"], "8192",
        "a number from 1 to 1000000",
        "Calls being worked on at once; one more is refused as OVERLOADED"),
    key(LIMIT, "max-in-flight-player", &["MAX_IN_FLIGHT_PLAYER"], "256",
        "a number from 1 to 1000000",
        "The share of max-in-flight that one player, spectator or analyst may have; one call more is refused as OVERLOADED"),
    key(LIMIT, "max-in-flight-server", &["MAX_IN_FLIGHT_SERVER"], "2048",
        "a number from 1 to 1000000",
        "The share of max-in-flight that one game server may have. A sixteenth of all places is kept for administrators"),
    key(LIMIT, "max-receiving-bytes", &["MAX_RECEIVING_BYTES"], "256MiB",
        SIZE,
        "Bytes of request bodies that are being received or worked on, of all clients; a request beyond is refused as OVERLOADED"),
    key(LIMIT, "max-connection-receiving-bytes", &["MAX_CONNECTION_RECEIVING_BYTES"], "16MiB",
        SIZE,
        "The same of one connection"),
    key(LIMIT, "body-grace", &["BODY_GRACE"], "10s",
        DURATION,
        "How long the message of a request may take to arrive, beside the time that min-body-rate gives it"),
    key(LIMIT, "min-body-rate", &["MIN_BODY_RATE"], "16KiB",
        "a size such as 16KiB, for each second",
        "The least pace of a message that is being received; one that is slower is refused as DEADLINE_EXCEEDED"),
    key(LIMIT, "max-request-bytes", &["MAX_REQUEST_BYTES"], "4MiB",
        "a size from 1KiB such as 4MiB",
        "Size of one request message"),
    key(LIMIT, "max-deadline", &["MAX_DEADLINE"], "24h",
        DURATION,
        "A longer deadline asked for by a caller is shortened to this"),

    key(OBSERVE, "log-level", &["LOG_LEVEL"], "info",
        "error, warn, info, debug, trace or off, or directives such as info,sqlx=warn",
        "What is logged to standard error"),
    key(OBSERVE, "log-format", &["LOG_FORMAT"], "auto",
        "auto, json or pretty",
        "Form of the log; auto is pretty on a terminal and JSON elsewhere"),
    key(OBSERVE, "otlp-endpoint", &["OTEL_EXPORTER_OTLP_ENDPOINT"], "",
        "an http:// URL such as http://collector:4317",
        "OTLP/gRPC collector that traces are sent to; without it no trace is made"),
    key(OBSERVE, "otlp-sample-ratio", &["OTEL_TRACES_SAMPLER_ARG"], "1",
        "a number from 0 to 1",
        "Share of the traces begun here that is sent; a caller's own decision is kept"),
    key(OBSERVE, "pprof-addr", &["PPROF_ADDR"], "",
        "an IP address with a port such as 127.0.0.1:6060, or :6060",
        "Own address for /debug/pprof; without it profiles are on the service port, in development only"),
];

/// The default of `database-url`, which stands in the help text since the key is a secret.
pub(super) const DATABASE_URL_DEFAULT: &str = "sqlite://data/gamemesh.db";

/// The table of all keys in Markdown, for the documentation.
pub fn markdown_table() -> String {
    let mut table = String::from(
        "| flag | environment | default | accepts | what it does |\n|---|---|---|---|---|\n",
    );
    for key in KEYS {
        let env = key.env.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let default =
            if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let help = key.help.replace('|', "\\|");
        let _ =
            writeln!(table, "| `--{}` | {env} | {default} | {} | {help} |", key.name, key.accepts);
    }
    table
}

/// The key of this name, which the caller took from the table.
pub(super) fn find(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).expect("the key is in the table")
}

/// The known name that looks most like `wrong`, when one looks like it at all.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR_ENOUGH: f64 = 0.75;
    known
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(score, _)| *score >= SIMILAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
