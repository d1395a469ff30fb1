//! What is secret is nowhere to be seen: with every secret of the configuration set, at the most talkative
//! level of the log, in answers of every kind, and in what doctor says.

use gamemesh_rpc::config::{KEYS, ServerArgs, ServerConfig};
use gamemesh_testkit::cli::run_with;
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::{World, http};
use serde_json::json;

/// What every secret has in it, and nothing else has.
const SENTINEL: &str = "s3nt1nel";

/// Nobody listens there.
const AWAY: &str = "127.0.0.1:1";

/// A value for each secret key, given where the database is.
fn secrets(database_url: &str) -> Vec<(&'static str, String)> {
    let secret = |name: &str| format!("{SENTINEL}-{name}-0123456789abcdef0123456789abcdef");
    KEYS.iter()
        .filter(|key| key.secret)
        .map(|key| {
            let value = match key.name {
                "database-url" => database_url.to_owned(),
                "postgres-replica-urls" => format!("postgres://ann:{}@{AWAY}/d", secret("replica")),
                "redis-url" => format!("redis://ann:{}@{AWAY}/0", secret("redis")),
                name => secret(name),
            };
            (key.env[0], value)
        })
        .collect()
}

/// What makes these keys count.
fn others() -> Vec<(&'static str, String)> {
    [
        ("KAFKA_BROKERS", AWAY),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
        ("KAFKA_SASL_USERNAME", "ann"),
        ("EMBEDDING_URL", "http://127.0.0.1:1/embed"),
        ("PEER_STATE", "http://127.0.0.1:1"),
        ("POSTGRES_MAX_CONNS", "24"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

#[test]
fn the_configuration_is_printed_without_its_secrets() {
    let url = format!("postgres://ann:{SENTINEL}@{AWAY}/d?password={SENTINEL}");
    let set = [secrets(&url), others()].concat();
    let env = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
    let config = ServerConfig::resolve(&ServerArgs::default(), env, None).unwrap();
    let printed = format!("{config:?} {config:#?} {:?}", config.clone());
    assert!(!printed.contains(SENTINEL), "{printed}");
    // A value that is refused is not shown either.
    for (name, value) in secrets(&url) {
        let wrong = |n: &str| (n == name).then(|| format!("\0{value}"));
        if let Err(errors) = ServerConfig::resolve(&ServerArgs::default(), wrong, None) {
            let printed = format!("{errors} {errors:?}");
            assert!(!printed.contains(SENTINEL), "{name}: {printed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_the_server_says_has_a_secret_in_it() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    // The server of the test believes everybody.
    let (before, after) = postgres.url().split_once('@').unwrap();
    let user = before.rsplit_once('/').unwrap().1.split(':').next().unwrap();
    let url = format!("postgres://{user}:{SENTINEL}@{after}");
    let settings: Vec<_> = secrets(&url).into_iter().chain(others()).collect();
    let set = settings.iter().filter(|(name, _)| *name != "DATABASE_URL");
    let builder = set.fold(World::builder(), |builder, (name, value)| builder.env(name, value));
    let builder = builder.database_url(&url).log_level("trace");
    let mut world = builder.build().unwrap();
    world.start().await.unwrap();

    let token = format!("{SENTINEL}.{SENTINEL}.{SENTINEL}");
    let bearer = format!("Bearer {token}");
    let mut said = Vec::new();
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/metrics"),
        ("GET", "/debug/pprof/profile?seconds=1"),
        ("GET", "/debug/pprof/nothing"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/api/v1/state/player/1"),
        ("PUT", "/api/v1/state/player/1"),
        ("POST", "/api/v1/memory/recall"),
        ("GET", "/nowhere"),
    ] {
        for token in [&bearer, ""] {
            let request = ::http::Request::builder().method(method).uri(path);
            let request = request.header("authorization", token);
            let answer = http::send(&world.address(), request, json!({}).to_string()).await;
            let answer = answer.unwrap();
            said.push((path.to_owned(), format!("{:?} {}", answer.headers, answer.text())));
        }
    }
    let environment: Vec<_> = settings.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let doctor = tokio::task::block_in_place(|| run_with(&["doctor"], &environment, b"")).unwrap();
    said.push(("doctor".to_owned(), format!("{} {}", doctor.stdout, doctor.stderr)));
    let log = world.path("server.log");
    world.stop().await.unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("TRACE"), "the log is not as talkative as it can be");
    said.push(("log".to_owned(), log));
    for (place, text) in said {
        let shown = text.lines().find(|line| line.contains(SENTINEL));
        assert!(shown.is_none(), "{place}: {}", shown.unwrap());
    }
}
