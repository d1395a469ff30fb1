//! Read replicas as operators see them: metrics tell which are read from, `doctor` how far each is and what
//! is none; lists with a token come from them.

use std::time::{Duration, Instant};

use gamemesh_testkit::postgres::{Postgres, PostgresCluster};
use gamemesh_testkit::{World, http};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const HISTORY: &str = "/api/v1/memory/history/p";

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The values of a metric of the memory's pool, by replica.
async fn of_replicas(world: &World, name: &str) -> Vec<(String, f64)> {
    let text = http::get(&world.address(), "/metrics").await.unwrap().text();
    let prefix = format!("gamemesh_replica_{name}{{pool=\"postgres-memory\",replica=\"");
    let read = |line: &str| {
        let (replica, value) = line.strip_prefix(&*prefix)?.split_once("\"} ")?;
        Some((replica.to_owned(), value.parse().unwrap()))
    };
    text.lines().filter_map(read).collect()
}

async fn until_used(world: &World, count: usize) {
    let began = Instant::now();
    loop {
        let used = of_replicas(world, "used").await;
        assert_eq!(used.len(), 3, "each replica is told of: {used:?}");
        if used.iter().filter(|(_, used)| *used == 1.0).count() == count {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{used:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn call(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let answer = match method {
        "GET" => http::get(&world.address(), path).await,
        _ => http::send_json(&world.address(), method, path, body).await,
    };
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn sum(values: &[(String, f64)]) -> f64 {
    values.iter().map(|(_, value)| value).sum()
}

/// What `doctor` says of replicas at these addresses: each level and text.
fn doctor(world: &World, replicas: &str) -> Vec<(String, String)> {
    let arguments = ["--json", "doctor", "--http-addr", "127.0.0.1:0"];
    let more = ["--services", "memory", "--postgres-replica-urls", replicas];
    let ran = world.cli(&[&arguments[..], &more[..]].concat()).unwrap();
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .filter(|finding| finding["check"] == "replica")
        .map(|finding| (text(finding, "status"), finding.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_doctor_tell_of_each_replica_and_lists_come_from_them() {
    let cluster = blocking(|| PostgresCluster::start().unwrap()).await;
    let urls = cluster.replicas().join(",");
    let mut world = World::builder()
        .services("memory")
        .database_url(cluster.url())
        .env("POSTGRES_REPLICA_URLS", &urls)
        .env("POSTGRES_MAX_CONNS", "12")
        .build()
        .unwrap();
    world.start().await.unwrap();
    until_used(&world, 3).await;

    // Appended, and listed with the append's token: always there, and mostly from a replica.
    let mut token = String::new();
    let before = sum(&of_replicas(&world, "reads_total").await);
    let began = Instant::now();
    for count in 1.. {
        let entry = json!({ "entries": [{ "action": "kill" }] });
        token = call(&world, "POST", HISTORY, &entry).await["token"].as_str().unwrap().to_owned();
        for _ in 0..5 {
            let path = format!("{HISTORY}?pageSize=1000&token={token}");
            let listed = call(&world, "GET", &path, &Value::Null).await;
            assert_eq!(listed["entries"].as_array().unwrap().len(), count, "an append is not seen");
        }
        let entity = json!({ "type": "door", "data": { "n": count } });
        call(&world, "PUT", &format!("/api/v1/memory/entities/e{count}"), &entity).await;
        let listed = call(&world, "GET", "/api/v1/memory/entities?type=door", &Value::Null).await;
        assert_eq!(listed["entities"].as_array().unwrap().len(), count, "an entity is not seen");
        let reads = sum(&of_replicas(&world, "reads_total").await) - before;
        if count >= 10 && reads > 0.0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE && count < 40, "no replica was read from");
    }
    for name in ["age_seconds", "latency_seconds", "failures_total"] {
        assert_eq!(of_replicas(&world, name).await.len(), 3, "{name}");
    }
    // A token of something else is refused, and says so.
    let wrong = http::get(&world.address(), &format!("{HISTORY}?token=x")).await.unwrap();
    assert_eq!(wrong.status.as_u16(), 400);
    assert!(wrong.text().contains("TOKEN_INVALID"), "{}", wrong.text());

    let healthy = doctor(&world, &urls);
    assert_eq!(healthy.len(), 3, "{healthy:?}");
    assert!(healthy.iter().all(|(_, text)| text.contains("bytes behind")), "{healthy:?}");
    let primary = doctor(&world, cluster.url());
    assert!(primary[0].1.contains("a primary, no standby"), "{primary:?}");
    let other = blocking(|| Postgres::start().unwrap()).await;
    let mut foreign =
        World::builder().services("memory").database_url(other.url()).build().unwrap();
    foreign.start().await.unwrap();
    let another = doctor(&world, other.url());
    assert!(another[0].1.contains("a replica of another store"), "{another:?}");
    assert_ne!(healthy[0].0, another[0].0, "one is well and the other is not");

    // One is lost: the metrics and the doctor tell, and nobody is refused.
    let cluster = blocking(move || {
        cluster.kill(0).unwrap();
        cluster
    })
    .await;
    until_used(&world, 2).await;
    let lost = doctor(&world, &urls);
    assert!(lost.iter().any(|(_, text)| text.contains("reads go on without it")), "{lost:?}");
    let listed = call(&world, "GET", &format!("{HISTORY}?token={token}"), &Value::Null).await;
    assert!(!listed["entries"].as_array().unwrap().is_empty());
    let _cluster = blocking(move || {
        cluster.start_again(0).unwrap();
        cluster
    })
    .await;
    until_used(&world, 3).await;
}
