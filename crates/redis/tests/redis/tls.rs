//! Servers that speak TLS and ask for certificates.

use std::path::Path;

use gamemesh_redis::{OpenError, RedisCache, RedisOptions, RedisTls};
use gamemesh_testkit::authority::Authority;
use gamemesh_testkit::redis::{Redis, RedisCluster};

use crate::server::{blocking, is_unavailable, listening, open, patient, store, works};

/// What a client has in this folder.
fn tls(folder: &Path, ca: &str, is_shown: bool) -> RedisTls {
    let file = |name: &str| folder.join(name);
    RedisTls {
        ca_file: Some(file(ca)),
        certificate: is_shown.then(|| (file("server.pem"), file("server.key"))),
    }
}

/// With the authority that signed both sides, with another one, and without a certificate of its own.
async fn is_verified(url: &str, folder: &Path) {
    assert!(url.starts_with("rediss://"), "{url}");
    let store = store();
    let options = |ca, is_shown| RedisOptions { tls: tls(folder, ca, is_shown), ..patient() };
    let cache = open(url, store, options("ca.pem", true));
    assert!(works(&cache, "k", 1).await);
    listening(&cache).await;
    for (ca, is_shown) in [("foreign.pem", true), ("ca.pem", false)] {
        let stranger = open(url, store, options(ca, is_shown));
        let got = gamemesh_cache::L2::get(&stranger, "k").await;
        assert!(is_unavailable(&got), "{ca} {is_shown}: {got:?}");
    }
    let missing = RedisCache::open(url, store, options("nowhere.pem", true)).err().unwrap();
    let names_file = missing.to_string().contains("nowhere.pem");
    assert!(matches!(missing, OpenError::File { .. }) && names_file, "{missing}");
}

fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Authority::new("studio").unwrap().write("127.0.0.1", folder.path()).unwrap();
    let foreign = Authority::new("another").unwrap();
    std::fs::write(folder.path().join("foreign.pem"), foreign.pem()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_tls_is_verified_and_shown_who_calls() {
    let folder = certificates();
    let path = folder.path().to_owned();
    let server = blocking(move || Redis::start_tls(&path).unwrap()).await;
    is_verified(server.url(), folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_behind_tls_is_verified_and_shown_who_calls() {
    let folder = certificates();
    let path = folder.path().to_owned();
    let cluster = blocking(move || RedisCluster::start_tls(&path).unwrap()).await;
    is_verified(cluster.url(), folder.path()).await;
}
