use std::collections::HashMap;
use std::path::Path;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

type Pairs<'a> = &'a [(&'static str, &'a str)];

fn resolve(flags: Pairs<'_>, env: Pairs<'_>, file: &str) -> Result<ServerConfig, ConfigErrors> {
    let args =
        flags.iter().fold(ServerArgs::default(), |args, (name, value)| args.with(name, *value));
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    let file = ConfigFile::parse(Path::new("gamemesh.toml"), file)?;
    ServerConfig::resolve(&args, |name| env.get(name).map(|v| (*v).to_owned()), Some(&file))
}

fn problem(flags: Pairs<'_>, env: Pairs<'_>, file: &str) -> String {
    resolve(flags, env, file).expect_err("this should be refused").to_string()
}

#[test]
fn the_defaults_are_those_of_the_requirements() {
    let config = resolve(&[], &[], "").unwrap();
    assert_eq!(config.listen.addr.to_string(), "127.0.0.1:8080");
    assert_eq!(config.storage.database_url.expose(), "sqlite://data/gamemesh.db");
    assert_eq!((config.storage.postgres_max_conns, config.storage.postgres_min_conns), (50, 5));
    assert_eq!(config.tuning.memory_pool_size, 1000);
    assert_eq!(config.tuning.cache_ttl, Duration::from_secs(300));
    assert_eq!(config.tuning.batch_size, 100);
    assert_eq!(config.tuning.workers, 4);
    assert_eq!(config.tuning.buffer_size, 10_000);
    assert_eq!(config.telemetry.log_level, "info");
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.roles, Roles::All);
    assert_eq!(config.pprof, Pprof::ServicePort);
    assert_eq!(config.limits.player_reads_per_second, 0);
}

#[test]
fn owned_lanes_need_an_address_that_others_reach() {
    let lanes = |flags: Pairs<'_>| resolve(flags, &[], "").map(|config| config.lanes);
    let owned = |advertise: Option<&str>, seconds| {
        let (advertise, lease) = (advertise.map(str::to_owned), Duration::from_secs(seconds));
        Ok(Lanes::Owned { advertise, lease })
    };
    assert_eq!(lanes(&[]), Ok(Lanes::Shared));
    assert_eq!(lanes(&[("lanes", "owned")]), owned(None, 10));
    let secret = ("jwt-secret", SECRET);
    let everywhere = ("http-addr", ":8080");
    assert_eq!(lanes(&[everywhere, secret]), Ok(Lanes::Shared));
    let named = ("advertise-addr", "pod-1.game:8080");
    let given = [("lanes", "owned"), everywhere, secret, named, ("lane-lease", "30s")];
    assert_eq!(lanes(&given), owned(Some("pod-1.game:8080"), 30));

    let everywhere_advertised = ("advertise-addr", "[::]:8080");
    for flags in [
        &[("lanes", "owned"), everywhere][..],
        &[("lanes", "owned"), secret],
        &[("lanes", "owned"), everywhere_advertised],
    ] {
        let problem = problem(flags, &[], "");
        let named = problem.contains("ADVERTISE_ADDR") || problem.contains("--advertise-addr");
        assert!(named && problem.contains("10.0.0.7:8080"), "{problem}");
    }
    for wrong in [("lanes", "mine"), ("lane-lease", "900ms"), ("advertise-addr", "pod-1")] {
        let problem = problem(&[("lanes", "owned"), wrong], &[], "");
        assert!(problem.contains(wrong.0) && problem.contains(wrong.1), "{problem}");
    }
}

#[test]
fn without_keys_only_the_loopback_interface_is_served() {
    let listening =
        |flags: Pairs<'_>| resolve(flags, &[], "").map(|config| config.listen.addr.ip());
    assert!(listening(&[]).unwrap().is_loopback());
    for addr in [":8080", "0.0.0.0:8080", "[::]:8080", "10.0.0.7:8080"] {
        let problem = problem(&[("http-addr", addr)], &[], "");
        assert!(problem.contains(addr) && problem.contains("JWT_SECRET"), "{problem}");
        for key in [("jwt-secret", SECRET), ("jwt-jwks-url", "https://id.example/keys")] {
            assert!(listening(&[("http-addr", addr), key]).is_ok(), "{addr} {key:?}");
        }
    }
    for addr in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"] {
        assert!(listening(&[("http-addr", addr)]).unwrap().is_loopback(), "{addr}");
    }
}

#[test]
fn public_keys_come_from_one_place_and_are_keys_outside_development() {
    let production = ("environment", "production");
    let (file, url) = (("jwt-jwks-file", "keys.json"), ("jwt-jwks-url", "https://id.example/keys"));
    assert!(resolve(&[production, file], &[], "").is_ok());
    assert!(resolve(&[production, url], &[], "").is_ok());
    assert!(problem(&[file, url], &[], "").contains("jwt-jwks-file"));
    assert!(problem(&[production], &[], "").contains("jwt-jwks-url"));
    assert!(problem(&[("jwt-jwks-url", "ftp://id.example")], &[], "").contains("https://"));
}

#[test]
fn the_stronger_source_wins() {
    let batch = |config: &ServerConfig| config.tuning.batch_size.to_string();
    let database = |config: &ServerConfig| config.storage.database_url.expose().to_owned();
    let addr = |config: &ServerConfig| config.listen.addr.to_string();
    let redis = |config: &ServerConfig| {
        config.redis.url.as_ref().map(|url| url.expose().to_owned()).unwrap_or_default()
    };
    let pool =
        |config: &ServerConfig| format!("{} {:?}", config.redis.pool_size, config.redis.timeout);
    let brokers = |config: &ServerConfig| config.kafka.brokers.join(" ");
    type Row<'a> = (Pairs<'a>, Pairs<'a>, &'a str, &'a dyn Fn(&ServerConfig) -> String, &'a str);
    let table: &[Row<'_>] = &[
        (&[("batch-size", "1")], &[("BATCH_SIZE", "2")], "batch_size = 3", &batch, "1"),
        (&[], &[("BATCH_SIZE", "2")], "batch_size = 3", &batch, "2"),
        (&[], &[], "batch_size = 3", &batch, "3"),
        (&[], &[], "batch-size = 3", &batch, "3"),
        (&[], &[("BATCH_SIZE", "")], "batch_size = 3", &batch, "3"),
        (&[], &[("BATCH_SIZE", "")], "", &batch, "100"),
        // Two names for one key: the first of the table counts.
        (&[], &[("POSTGRES_URL", "postgres://b/c")], "", &database, "postgres://b/c"),
        (
            &[],
            &[("POSTGRES_URL", "postgres://b/c"), ("DATABASE_URL", "memory:")],
            "",
            &database,
            "memory:",
        ),
        // Three names for the address.
        (&[], &[("PORT", "1")], "", &addr, "127.0.0.1:1"),
        (&[], &[("PORT", "1"), ("SERVER_PORT", "2")], "", &addr, "127.0.0.1:2"),
        (
            &[],
            &[("PORT", "1"), ("SERVER_PORT", "2"), ("HTTP_ADDR", ":3"), ("JWT_SECRET", "s")],
            "",
            &addr,
            "0.0.0.0:3",
        ),
        (&[("port", "9")], &[("HTTP_ADDR", "127.0.0.2:3")], "", &addr, "127.0.0.2:9"),
        (&[], &[("SERVER_PORT", "2")], "http_addr = '[::1]:5'", &addr, "[::1]:2"),
        (&[], &[("HTTP_ADDR", "localhost:7")], "", &addr, "127.0.0.1:7"),
        (&[], &[("JWT_SECRET", "s")], "", &addr, "0.0.0.0:8080"),
        (&[("port", "0")], &[], "", &addr, "127.0.0.1:0"),
        // Redis as an address or as a URL.
        (&[], &[("REDIS_ADDR", "r:6379")], "", &redis, "redis://r:6379/0"),
        (
            &[],
            &[("REDIS_ADDR", "r:6379"), ("REDIS_PASSWORD", "p@/w"), ("REDIS_DB", "3")],
            "",
            &redis,
            "redis://:p%40%2Fw@r:6379/3",
        ),
        (
            &[],
            &[("REDIS_ADDR", "a:1"), ("REDIS_URL", "redis://b:2/1")],
            "",
            &redis,
            "redis://b:2/1",
        ),
        (&[("redis-addr", "a:1")], &[("REDIS_URL", "redis://b:2")], "", &redis, "redis://a:1/0"),
        (&[], &[("REDIS_ADDR", "a:1,b:2")], "", &redis, "redis://a:1/0?cluster=b:2"),
        (
            &[],
            &[("REDIS_URL", "redis://u:p@a:1,redis://b:2/,redis://u:p@c:3/0")],
            "",
            &redis,
            "redis://u:p@a:1/0?cluster=b:2,c:3",
        ),
        (
            &[],
            &[("REDIS_URL", "redis://a:1/0?cluster=b:2,c:3")],
            "",
            &redis,
            "redis://a:1/0?cluster=b:2,c:3",
        ),
        (&[("redis-timeout", "20ms")], &[("REDIS_POOL_SIZE", "7")], "", &pool, "7 20ms"),
        (&[], &[], "", &pool, "100 100ms"),
        // Lists are lists in the file, and text elsewhere.
        (&[], &[("KAFKA_BROKERS", "a:1, b:2")], "", &brokers, "a:1 b:2"),
        (&[], &[], "kafka_brokers = ['a:1', 'b:2']", &brokers, "a:1 b:2"),
    ];
    for (flags, env, file, read, expected) in table {
        let config = resolve(flags, env, file);
        let config = config.unwrap_or_else(|e| panic!("{flags:?} {env:?} {file}: {e}"));
        assert_eq!(read(&config), *expected, "{flags:?} {env:?} {file}");
    }
}

#[test]
fn a_wrong_value_names_key_value_and_what_is_accepted() {
    let table: &[(Pairs<'_>, Pairs<'_>, &str, &[&str])] = &[
        (&[("workers", "-1")], &[], "", &["--workers is \"-1\"", "a number from 1 to 1024"]),
        (&[], &[("WORKERS", "many")], "", &["WORKERS is \"many\"", "1 to 1024"]),
        (&[], &[], "workers = 0", &["workers in gamemesh.toml is \"0\"", "1 to 1024"]),
        (&[], &[], "workers = { a = 1 }", &["workers in gamemesh.toml is a table", "1 to 1024"]),
        (&[], &[("CACHE_TTL", "5 bananas")], "", &["CACHE_TTL", "5 bananas", "5m"]),
        (&[], &[("CACHE_TTL", "0s")], "", &["CACHE_TTL", "0s"]),
        (&[], &[("CACHE_BYTES", "1 furlong")], "", &["CACHE_BYTES", "4MiB"]),
        (&[], &[("SERVER_PORT", "65536")], "", &["SERVER_PORT is \"65536\"", "65535"]),
        (&[], &[("HTTP_ADDR", "game.example:80")], "", &["HTTP_ADDR", "an IP address"]),
        (&[], &[("ENVIRONMENT", "prod")], "", &["ENVIRONMENT is \"prod\"", "production"]),
        (&[], &[("LOG_LEVEL", "loud")], "", &["LOG_LEVEL is \"loud\"", "error, warn, info"]),
        (&[], &[("LOG_LEVEL", "info,sqlx=loud")], "", &["LOG_LEVEL"]),
        (
            &[],
            &[("DATABASE_URL", "mysql://u:hush@h/d")],
            "",
            &["DATABASE_URL", "[redacted]", "postgres://"],
        ),
        (&[], &[("REDIS_URL", "http://hush")], "", &["REDIS_URL", "[redacted]", "redis://"]),
        (
            &[],
            &[("REDIS_URL", "redis://:hush@a:1,rediss://b:2")],
            "",
            &["REDIS_URL", "[redacted]", "rediss:// for TLS"],
        ),
        (
            &[],
            &[("REDIS_URL", "redis://:hush@r:1"), ("REDIS_CA_FILE", "/ca.pem")],
            "",
            &["REDIS_CA_FILE", "begins with rediss://"],
        ),
        (
            &[],
            &[("REDIS_URL", "rediss://r:1"), ("REDIS_KEY_FILE", "/key.pem")],
            "",
            &["REDIS_CERT_FILE", "belong together"],
        ),
        (
            &[],
            &[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem")],
            "",
            &["OTEL_EXPORTER_OTLP_CERTIFICATE", "begins with https://"],
        ),
        (&[], &[("TLS_PEER_KEY_FILE", "/k.pem")], "", &["TLS_PEER_CERT_FILE", "tls-peer-key-file"]),
        (&[], &[("TLS_PEER_NAME", "no name")], "", &["TLS_PEER_NAME", "a host name"]),
        (&[], &[("COMBAT_RESUME_SECRET", "hush")], "", &["COMBAT_RESUME_SECRET", "32 bytes"]),
        (
            &[],
            &[("REDIS_URL", "redis://:hush@a:1,redis://:hushed@b:2")],
            "",
            &["REDIS_URL", "[redacted]", "cluster"],
        ),
        (&[], &[("REDIS_URL", "redis://a:1/0,redis://b:2/1")], "", &["REDIS_URL", "database 0"]),
        (&[], &[("REDIS_DB", "16")], "", &["REDIS_DB is \"16\"", "0 to 15"]),
        (
            &[],
            &[("REDIS_ADDR", "a:1,b:2"), ("REDIS_DB", "3")],
            "",
            &["REDIS_DB is \"3\"", "a cluster has no other"],
        ),
        (&[], &[("REDIS_POOL_SIZE", "0")], "", &["REDIS_POOL_SIZE is \"0\"", "1 to 10000"]),
        (&[], &[("REDIS_TIMEOUT", "6s")], "", &["REDIS_TIMEOUT is \"6s\"", "1ms to 5s"]),
        (&[], &[("KAFKA_BROKERS", "a:1,,b:2")], "", &["KAFKA_BROKERS", "host:port"]),
        (&[], &[("KAFKA_STATE_TOPIC", "a topic")], "", &["KAFKA_STATE_TOPIC", "249"]),
        (&[], &[("KAFKA_FORMAT", "xml")], "", &["KAFKA_FORMAT is \"xml\"", "protobuf or json"]),
        (&[], &[("KAFKA_MESSAGE_BYTES", "1KiB")], "", &["KAFKA_MESSAGE_BYTES", "64KiB"]),
        (
            &[],
            &[("KAFKA_SECURITY_PROTOCOL", "TLS")],
            "",
            &["KAFKA_SECURITY_PROTOCOL is \"TLS\"", "SASL_SSL"],
        ),
        (
            &[],
            &[("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("KAFKA_SASL_MECHANISM", "GSSAPI")],
            "",
            &[
                "KAFKA_SASL_MECHANISM is \"GSSAPI\"",
                "SCRAM-SHA-512",
                "KAFKA_SASL_USERNAME",
                "KAFKA_SASL_PASSWORD",
                "where kafka-security-protocol has SASL",
            ],
        ),
        (
            &[],
            &[("KAFKA_SASL_PASSWORD", "hush"), ("KAFKA_CA_FILE", "/etc/ca.pem")],
            "",
            &["KAFKA_SASL_PASSWORD is [redacted]", "SASL_PLAINTEXT or SASL_SSL", "KAFKA_CA_FILE"],
        ),
        (
            &[],
            &[("KAFKA_SECURITY_PROTOCOL", "SSL"), ("KAFKA_CERT_FILE", "/c.pem")],
            "",
            &["KAFKA_KEY_FILE", "where kafka-cert-file is set"],
        ),
        (
            &[],
            &[("POSTGRES_MIN_CONNS", "60")],
            "",
            &["POSTGRES_MIN_CONNS is \"60\"", "postgres-max-conns"],
        ),
        (
            &[],
            &[("ENVIRONMENT", "production")],
            "",
            &["JWT_SECRET", "required outside development"],
        ),
        (
            &[],
            &[("ENVIRONMENT", "staging"), ("JWT_SECRET", "hush")],
            "",
            &["JWT_SECRET is [redacted]", "at least 32 bytes"],
        ),
        (&[], &[("CORS_ORIGINS", "game.example")], "", &["CORS_ORIGINS", "https://game.example"]),
        (&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")], "", &["http://collector:4317"]),
        (&[], &[("OTEL_TRACES_SAMPLER_ARG", "2")], "", &["a number from 0 to 1"]),
        (&[], &[("STATS_SEASON_START", "2026-02-30")], "", &["STATS_SEASON_START", "2026-01-01"]),
        (&[], &[("STATS_SEASON_START", "1999-12-31")], "", &["from 2000 on"]),
        (&[], &[("STATS_SEASON_DAYS", "0")], "", &["a number from 1 to 3660"]),
        (&[], &[("STATS_WINDOW_GRACE", "31days")], "", &["a duration from 0s to 30days"]),
        (&[], &[("STATS_INGEST_BYTES", "64KiB")], "", &["a size from 1MiB to 16GiB"]),
        (&[], &[("STATS_MULTI_KILL_GAP", "11m")], "", &["a duration from 1ms to 10m"]),
        (&[], &[("STATS_TRADE_WINDOW", "0s")], "", &["a duration from 1ms to 10m"]),
        (&[], &[("STATS_GROUP", "a group")], "", &["STATS_GROUP", "characters"]),
        (
            &[],
            &[("STATS_COMBAT_TOPIC", "game.match.events")],
            "",
            &["STATS_COMBAT_TOPIC", "another topic than stats-events-topic"],
        ),
        (&[], &[], "databse_url = 'x'", &["unknown key databse_url", "did you mean database_url?"]),
        (&[], &[], "zzz = 1", &["unknown key zzz"]),
        (&[], &[], "= 1", &["gamemesh.toml is not TOML"]),
    ];
    for (flags, env, file, expected) in table {
        let problem = problem(flags, env, file);
        for part in *expected {
            assert!(problem.contains(part), "{part:?} is not in {problem:?}");
        }
        assert!(!problem.contains("hush"), "{problem}");
    }
}

#[test]
fn stats_is_told_its_seasons_and_topics() {
    let env = [
        ("STATS_SEASON_START", "2000-01-02"),
        ("STATS_SEASON_DAYS", "30"),
        ("STATS_WINDOW_GRACE", "0s"),
        ("STATS_INGEST_BYTES", "2MiB"),
        ("STATS_MULTI_KILL_GAP", "4s"),
        ("STATS_GROUP", "ours"),
    ];
    let stats = resolve(&[], &env, "stats_trade_window = '250ms'").unwrap().stats;
    assert_eq!((stats.season_first_day, stats.season_days), (10_958, 30));
    assert_eq!((stats.window_grace, stats.ingest_bytes_max), (Duration::ZERO, 2 << 20));
    assert_eq!(stats.multi_kill_gap, Duration::from_secs(4));
    assert_eq!(stats.trade_window, Duration::from_millis(250));
    assert_eq!((&*stats.group, &*stats.events_topic), ("ours", "game.match.events"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let problem = problem(&[("workers", "x")], &[("BATCH_SIZE", "y")], "buffer_size = 'z'");
    assert_eq!(problem.lines().count(), 3, "{problem}");
}

#[test]
fn production_is_closed_by_default() {
    let env = [("ENVIRONMENT", "production"), ("JWT_SECRET", SECRET)];
    let config = resolve(&[], &env, "").unwrap();
    assert_eq!(config.pprof, Pprof::Off);
    assert_eq!(config.listen.cors_origins, CorsOrigins::None);
    assert_eq!(config.limits.player_writes_per_second, 100);
    assert_eq!(config.listen.addr.to_string(), "0.0.0.0:8080");
}

#[test]
fn secrets_are_not_shown() {
    let config = resolve(
        &[("jwt-secret", "hush")],
        &[("DATABASE_URL", "postgres://game:hush@db/state?password=hush")],
        "redis_url = 'redis://:hush@r:1/0'\npostgres_replica_urls = ['postgres://u:hush@r/d']",
    )
    .unwrap();
    let shown = format!("{config:?} {:?}", ServerArgs::default().with("jwt-secret", "hush"));
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("postgres://game:***@db/state"), "{shown}");
    assert_eq!(config.auth.jwt_secret.unwrap().expose(), "hush");
}

#[test]
fn roles_are_those_of_the_binary() {
    let known = ["state", "combat", "stats"];
    let roles = |text| resolve(&[("services", text)], &[], "").unwrap();
    assert_eq!(roles("all").roles(&known).unwrap(), known);
    assert_eq!(roles("stats, state").roles(&known).unwrap(), ["state", "stats"]);
    let error = roles("state,combta").roles(&known).unwrap_err().to_string();
    assert!(error.contains("\"combta\"") && error.contains("did you mean combat?"), "{error}");
}

#[test]
fn every_key_is_explained_and_every_default_is_acceptable() {
    let command = <ServerArgs as clap::Args>::augment_args(clap::Command::new("serve"));
    let help = command.clone().render_long_help().to_string();
    for key in KEYS {
        assert!(help.contains(&format!("--{} <", key.name)), "{}", key.name);
        for name in key.env {
            assert!(help.contains(name), "{name}");
        }
        if !key.default.is_empty() {
            let env = [(key.env[0], key.default)];
            resolve(&[], &env, "").unwrap_or_else(|error| panic!("{}: {error}", key.name));
        }
    }
    command.debug_assert();
}

#[test]
fn flags_are_read_from_a_command_line() {
    use clap::{Args as _, FromArgMatches as _};
    let matches = ServerArgs::augment_args(clap::Command::new("serve"))
        .try_get_matches_from(["serve", "--workers", "7", "--config", "x.toml"])
        .unwrap();
    let args = ServerArgs::from_arg_matches(&matches).unwrap();
    assert_eq!(args.config.as_deref(), Some(Path::new("x.toml")));
    assert_eq!(ServerConfig::resolve(&args, |_| None, None).unwrap().tuning.workers, 7);
}

#[test]
fn the_file_is_read_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gamemesh.toml");
    std::fs::write(&path, "workers = 9").unwrap();
    let args = ServerArgs::default().with_config(&path);
    assert_eq!(ServerConfig::load(&args).unwrap().tuning.workers, 9);
    let args = ServerArgs::default().with_config("/nowhere.toml");
    let error = ServerConfig::load(&args).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere.toml cannot be read"), "{error}");
}
