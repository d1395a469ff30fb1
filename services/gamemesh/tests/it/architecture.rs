//! The arrows between crates: what is not listed is absent.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Crate → the workspace's crates that it may depend on, outside of its tests. Names are without
/// `gamemesh-`; the binary is `gamemesh` itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("facts", &[]),
    ("contracts", &["facts"]),
    ("repository", &["domain"]),
    ("cache", &["repository", "domain"]),
    ("bus", &["domain"]),
    ("guard", &[]),
    ("vectors", &[]),
    ("kafka", &["bus"]),
    ("redis", &["cache", "guard"]),
    ("sqlite", &["repository", "domain"]),
    ("postgres", &["repository", "domain", "guard"]),
    ("backends", &["repository", "cache", "bus", "guard", "sqlite", "postgres", "redis", "kafka"]),
    ("rpc", &["domain", "facts", "repository", "cache", "bus"]),
    ("feed", &["domain", "repository", "rpc"]),
    ("outbox", &["repository", "bus", "rpc", "feed"]),
    ("ownership", &["domain", "repository", "rpc"]),
    ("documents", &["domain", "repository", "cache", "rpc", "feed"]),
    ("gateway", &["rpc", "facts"]),
    ("launch", &["rpc", "facts", "backends", "domain"]),
    ("client", &["contracts"]),
    ("testkit", &["launch", "client"]),
    ("bench", &["contracts", "client", "launch", "state"]),
    (
        "state",
        &[
            "contracts",
            "domain",
            "repository",
            "cache",
            "bus",
            "rpc",
            "documents",
            "feed",
            "outbox",
            "ownership",
        ],
    ),
    ("combat", &["contracts", "domain", "repository", "bus", "rpc", "feed", "outbox", "ownership"]),
    ("stats", &["contracts", "domain", "repository", "bus", "cache", "ownership", "rpc"]),
    (
        "memory",
        &[
            "contracts",
            "domain",
            "repository",
            "rpc",
            "feed",
            "guard",
            "vectors",
            "documents",
            "cache",
        ],
    ),
    (
        "gamemesh",
        &[
            "contracts",
            "state",
            "combat",
            "stats",
            "memory",
            "gateway",
            "launch",
            "rpc",
            "backends",
            "repository",
            "client",
        ],
    ),
];

#[test]
fn crates_depend_only_along_the_arrows() {
    let found = dependencies();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let crates: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let unknown: Vec<&&str> = crates.difference(&known).collect();
    assert!(unknown.is_empty(), "no arrows are declared for {unknown:?}");

    for (name, allowed) in ARROWS.iter().copied().filter(|(name, _)| crates.contains(name)) {
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let actual: BTreeSet<&str> = found[name].iter().map(String::as_str).collect();
        let forbidden: Vec<&&str> = actual.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} must not depend on {forbidden:?}");
    }
}

#[test]
fn only_services_know_both_domain_and_contracts() {
    for (name, dependencies) in dependencies() {
        let both = ["domain", "contracts"].iter().all(|d| dependencies.contains(*d));
        assert!(
            !both || ["state", "combat", "stats", "memory"].contains(&name.as_str()),
            "{name} knows domain and contracts"
        );
    }
}

#[test]
fn the_domain_does_no_input_and_no_output() {
    let forbidden = ["tokio", "prost", "tonic", "sqlx", "axum", "hyper", "futures", "async-trait"];
    let packages = metadata();
    let domain = packages.iter().find(|p| p["name"] == "gamemesh-domain").unwrap();
    for dependency in domain["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap();
        let test_only = dependency["kind"] == "dev";
        assert!(test_only || !forbidden.contains(&name), "gamemesh-domain depends on {name}");
    }
}

/// Crate → the workspace's crates that it depends on, tests left aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let short = |name: &str| name.strip_prefix("gamemesh-").unwrap_or(name).to_owned();
    metadata()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let own = dependencies
                .filter(|d| d["kind"] != "dev")
                .filter_map(|d| d["name"].as_str())
                .filter(|name| name.starts_with("gamemesh"))
                .map(short);
            (short(package["name"].as_str().unwrap()), own.collect())
        })
        .collect()
}

fn metadata() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
