//! What doctor finds before a server is started: a clock that is off, an authority that did not sign, a
//! secret that is missing, a broker that is away.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use gamemesh_testkit::authority::Authority;
use gamemesh_testkit::cli::{Ran, run_with};
use gamemesh_testkit::postgres::Postgres;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

fn doctor(environment: &[(&str, &str)]) -> Ran {
    let with = [environment, &[("HTTP_ADDR", "127.0.0.1:0")]].concat();
    tokio::task::block_in_place(|| run_with(&["--json", "doctor"], &with, b"")).unwrap()
}

/// What a check has found: its status and the words.
fn found(ran: &Ran, check: &str) -> (String, String) {
    let answer = ran.json();
    let findings = answer["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no {check} in {answer}"));
    let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let Value::Object(_) = finding else { panic!("{finding}") };
    (text("status"), format!("{} {}", text("found"), text("advice")))
}

async fn start() -> Postgres {
    tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap()
}

async fn execute(url: &str, statements: &[&'static str]) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    for statement in statements {
        sqlx::raw_sql(*statement).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_is_found() {
    let postgres = start().await;
    let url = postgres.url();
    assert_eq!(found(&doctor(&[("DATABASE_URL", url)]), "clocks").0, "ok");
    // The server tells another time to who looks for its clock in this schema first.
    execute(
        url,
        &[
            "CREATE SCHEMA skewed",
            "CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE \
             AS $$ SELECT pg_catalog.clock_timestamp() - interval '5 minutes' $$",
        ],
    )
    .await;
    let skewed = format!("{url}?options[search_path]=skewed,pg_catalog");
    let ran = doctor(&[("DATABASE_URL", &skewed)]);
    let (status, what) = found(&ran, "clocks");
    assert_eq!(status, "failure", "{what}");
    assert!(what.contains("synchronise"), "{what}");
    assert_ne!(ran.exit, 0);
}

/// A file for the server, which may run as another user.
fn give(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let owner = std::fs::metadata(folder).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_did_not_sign_the_databases_certificate_is_found() {
    let postgres = start().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("studio").unwrap();
    let certificate = authority.certificate("127.0.0.1").unwrap();
    let data = postgres.data_folder();
    give(&data, "tls.pem", &certificate.certificate_pem);
    give(&data, "tls.key", &certificate.key_pem);
    execute(
        postgres.url(),
        &[
            "ALTER SYSTEM SET ssl_cert_file = 'tls.pem'",
            "ALTER SYSTEM SET ssl_key_file = 'tls.key'",
            "ALTER SYSTEM SET ssl = on",
            "SELECT pg_reload_conf()",
        ],
    )
    .await;
    let trusting = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        format!("{}?sslmode=verify-full&sslrootcert={}", postgres.url(), path.display())
    };
    let ours = trusting("ours.pem", authority.pem());
    let foreign = trusting("foreign.pem", Authority::new("another").unwrap().pem());
    // The server reads its files in its own time.
    let reloaded = async {
        while PgConnection::connect(&ours).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reloaded).await.expect("it speaks TLS");
    let ran = doctor(&[("DATABASE_URL", &ours)]);
    assert_eq!(found(&ran, "clocks").0, "ok", "{ran:?}");
    let (status, what) = found(&doctor(&[("DATABASE_URL", &foreign)]), "database");
    assert_eq!(status, "failure", "{what}");
    assert!(what.contains("certificate"), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_and_a_broker_that_is_away_are_found() {
    let memory = ("DATABASE_URL", "memory:");
    let ran = doctor(&[memory, ("ENVIRONMENT", "production")]);
    let (status, what) = found(&ran, "configuration");
    assert!(status == "failure" && what.contains("JWT_SECRET"), "{what}");
    let ran = doctor(&[memory, ("KAFKA_BROKERS", "127.0.0.1:1")]);
    let (status, what) = found(&ran, "kafka");
    assert!(status == "failure" && what.contains("127.0.0.1:1"), "{what}");
    assert_ne!(ran.exit, 0);
}
