//! What follows from the contracts is kept as files: a change of it is a difference to accept, by
//! `UPDATE_GOLDEN=1 cargo test -p gamemesh contracts`.

mod mounted;
mod permissions;
mod safe_methods;

use std::path::Path;

use gamemesh_contracts::DESCRIPTORS;
use gamemesh_gateway::{Gateway, GatewayConfig, boxed_upstream};
use gamemesh_testkit::{World, http};
use tonic::service::Routes;

#[test]
fn routes() {
    assert_golden("routes.txt", &routes_txt());
}

fn routes_txt() -> String {
    let nowhere = boxed_upstream(Routes::builder().routes());
    Gateway::new(DESCRIPTORS, nowhere, GatewayConfig::default()).unwrap().routes_txt()
}

#[test]
fn permissions() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/permissions.md");
    assert_same(&page, &permissions::page());
}

#[test]
fn safe_methods_of_the_chart() {
    let file = "../../helm/gamemesh/files/safe-methods.yaml";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    assert_same(&file, &safe_methods::file(&routes_txt()));
}

#[tokio::test]
async fn openapi() {
    let world = World::standalone().await.unwrap();
    let answer = http::get(&world.address(), "/openapi.json").await.unwrap();
    assert_eq!(answer.status, 200);
    let mut shown = serde_json::to_string_pretty(&answer.json()).unwrap();
    shown.push('\n');
    assert_golden("openapi.json", &shown);
}

fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    assert_same(&path, actual);
}

fn assert_same(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    let differing = expected.lines().zip(actual.lines()).position(|(a, b)| a != b);
    assert!(
        expected == actual,
        "{} differs from line {}; if that is meant: UPDATE_GOLDEN=1 cargo test -p gamemesh contracts",
        path.display(),
        differing.unwrap_or_else(|| expected.lines().count().min(actual.lines().count())) + 1
    );
}
