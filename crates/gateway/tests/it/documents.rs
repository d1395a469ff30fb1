//! `/openapi.json`, `/docs` and the listing of routes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::World;

const ROUTES: &str = include_str!("../routes.txt");

#[test]
fn the_listing_is_the_golden_one() {
    let routes = World::near().gateway.routes_txt();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/routes.txt");
        std::fs::write(path, &routes).expect("the golden file is written");
    }
    assert_eq!(routes, ROUTES, "set UPDATE_GOLDEN=1 to accept");
}

#[tokio::test]
async fn the_document_has_every_rule_and_every_reference() {
    let world = World::near();
    let answer = world.send("GET /openapi.json", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    assert_eq!(document, world.gateway.openapi());
    assert_eq!(document["openapi"], "3.0.3");

    // A stock validator can be pointed at the file.
    if let Some(path) = std::env::var_os("OPENAPI_OUT") {
        std::fs::write(path, &answer.body).expect("the document is written");
    }

    let mut ids = BTreeSet::new();
    let mut rpcs = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            rpcs.insert(operation["x-rpc"].as_str().expect("an RPC").to_owned());
            let declared: BTreeSet<_> = parameters(operation, "path").collect();
            let written: BTreeSet<_> = path
                .split('{')
                .skip(1)
                .filter_map(|part| part.split('}').next())
                .map(str::to_owned)
                .collect();
            assert_eq!(declared, written, "{method} {path}");
        }
    }
    assert_eq!(rpcs.len(), 19, "all but Lock, whose method OpenAPI does not have, and NoRule");
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn operations_are_described() {
    let document = World::near().gateway.openapi();
    let echo = &document["paths"]["/v1/echo"]["post"];
    assert_eq!(echo["summary"], "Answers with what it was sent");
    assert_eq!(echo["tags"][0], "Foreign");
    assert!(
        document["tags"][0]["description"]
            .as_str()
            .is_some_and(|d| d.starts_with("Every kind of field"))
    );
    let everything = &document["components"]["schemas"]["foreign.v1.Everything"]["properties"];
    assert_eq!(everything["id"]["description"], "The id, from 1 to 10 characters.");
    assert_eq!(everything["child"]["$ref"], "#/components/schemas/foreign.v1.Everything");
    assert_eq!(everything["counts"]["additionalProperties"]["type"], "integer");
    assert_eq!(everything["renamed"]["type"], "string");
    let scalars = &document["components"]["schemas"]["foreign.v1.Scalars"]["properties"];
    assert_eq!(
        (&scalars["i64"]["type"], &scalars["i64"]["format"]),
        (&"string".into(), &"int64".into())
    );
    let get = &document["paths"]["/v1/echo"]["get"];
    let names: BTreeSet<_> = parameters(get, "query").collect();
    for name in ["id", "scalars.i32", "choiceScalars.text", "wInt64", "at", "numbers"] {
        assert!(names.contains(name), "{name}");
    }
    for name in ["counts", "scalars", "scalarsList", "data", "child.id"] {
        assert!(!names.contains(name), "{name}");
    }
    let book = &document["paths"]["/v1/shelves/{name}/books/{name_2}"]["get"];
    assert_eq!(book["operationId"], "Foreign_GetBook");
    assert!(document["paths"]["/v1/things/{name}:activate"]["post"].is_object());
    assert_eq!(
        document["paths"]["/v1/wrapped/{wInt64}"]["get"]["parameters"][0]["name"], "wInt64",
        "a path parameter is spelt as the body's fields are"
    );
    let count = &document["paths"]["/v1/count/{to}"]["get"];
    assert_eq!(count["x-stream"], "server");
    assert!(count["responses"]["200"]["content"]["text/event-stream"].is_object());
    let put = &document["paths"]["/v1/echo/{id}"]["put"]["requestBody"]["content"]["application/json"]
        ["schema"];
    assert!(put["properties"].get("id").is_none(), "the path sets it");
}

#[tokio::test]
async fn documents_have_tags_and_the_page_a_policy() {
    let world = World::near();
    for path in ["/openapi.json", "/docs", "/docs/scalar.js"] {
        let answer = world.send(&format!("GET {path}"), "").await;
        let etag = answer.header("etag").to_owned();
        assert!(etag.len() > 10);
        let again = world.send_with(&format!("GET {path}"), &[("if-none-match", &etag)], "").await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
        let other =
            world.send_with(&format!("GET {path}"), &[("if-none-match", "\"x\"")], "").await;
        assert_eq!(other.status, 200);
    }
    let page = world.send("GET /docs", "").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.matches("'sha256-").count() == 1);
    for outside in ["http://", "https://", "onclick="] {
        assert!(!page.text().contains(outside), "{outside}");
    }
    for leads in ["/", "/docs/"] {
        let answer = world.send(&format!("GET {leads}"), "").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (307, "/docs"));
    }
    let script = world.send_with("GET /docs/scalar.js", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(script.header("content-encoding"), "gzip");
    assert!(script.body.starts_with(&[0x1f, 0x8b]) && script.body.len() > 1 << 20);
}

fn parameters(operation: &Value, place: &'static str) -> impl Iterator<Item = String> {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    parameters
        .into_iter()
        .filter(move |p| p["in"] == place)
        .map(|p| p["name"].as_str().expect("a name").to_owned())
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push(reference.clone());
            }
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

/// OpenAPI 3.0 gives `nullable` a meaning beside a type only, and generators stumble over it elsewhere.
#[test]
fn nullable_stands_beside_a_type() {
    fn walk(value: &Value, place: &str, found: &mut usize) {
        if let Some(object) = value.as_object() {
            if object.get("nullable") == Some(&true.into()) {
                assert!(object.contains_key("type"), "{place}: {value}");
                *found += 1;
            }
            object.iter().for_each(|(name, value)| walk(value, &format!("{place}/{name}"), found));
        } else if let Some(list) = value.as_array() {
            list.iter().for_each(|value| walk(value, place, found));
        }
    }
    let mut found = 0;
    walk(&World::near().gateway.openapi(), "", &mut found);
    assert!(found >= 10, "wrappers and NullValue may be null");
}

/// Services and RPCs come as the contract has them, and not by their letters.
#[tokio::test]
async fn the_paths_come_in_the_order_of_the_contract() {
    let answer = World::near().send("GET /openapi.json", "").await;
    let text = answer.text();
    let at = |path: &str| text.find(&format!("\"{path}\":{{")).unwrap_or_else(|| panic!("{path}"));
    let order = [
        "/v1/echo",
        "/v1/typed/{scalars.i32}/{scalars.flag}/{scalars.colour}",
        "/v1/at/{at}/span/{span}",
    ];
    assert!(order.map(at).is_sorted(), "{text}");
    assert!(at("/v1/things/{name}") < at("/v1/fail"));
    assert!(at("/v1/fail") < at("/v1/chat/{room}"));
    let item = text.find("\"/v1/echo/{id}\":{\"put\":").is_some();
    assert!(item, "methods of a path too: {text}");
}
