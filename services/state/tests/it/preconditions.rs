//! Conditions and keys that stand in headers are honoured or refused, never passed over.

use super::calls::create;
use super::world::{Answer, World};
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");
const B: &str = "/api/v1/state";

async fn send(world: &World, call: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (method, path) = call.split_once(' ').unwrap();
    let headers: Vec<_> = [JSON].into_iter().chain(headers.iter().copied()).collect();
    world.http(method, &format!("{B}{path}"), &headers, body.to_owned()).await
}

fn refused_field(answer: &Answer) -> String {
    let field = answer.json()["details"][1]["fieldViolations"][0]["field"].clone();
    field.as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_in_a_header_holds_or_is_refused() {
    let world = World::new().await;
    let client = world.client().await;
    create(&client, "economy", "e", &json!({})).await.unwrap();
    let (none, some) = ([("if-none-match", "*")], [("if-match", "\"99\"")]);
    let part = r#"{"parts":[{"type":"economy","id":"e","mergePatch":{}}]}"#;
    let event = r#"{"events":[{"kind":"k"}]}"#;
    let replace = r#"{"replace":{}}"#;
    let before = world.events();
    for (call, headers, body, status) in [
        ("PUT /player/p", none, "{}", 200),
        ("PUT /player/p", none, "{}", 409),
        ("PUT /player/p", some, "{}", 409),
        ("PUT /match/m", none, "{}", 200),
        ("PUT /match/m", none, "{}", 409),
        ("PUT /types/t", none, r#"{"open":true}"#, 200),
        ("PUT /types/t", none, r#"{"open":true}"#, 409),
        ("PUT /types/t", some, r#"{"open":true}"#, 409),
        ("PUT /types/t", [("if-match", "\"1\"")], r#"{"open":true}"#, 200),
        ("PATCH /aggregates/economy/e", none, replace, 409),
        ("POST /aggregates/economy/e/events", none, event, 409),
        ("DELETE /aggregates/economy/e", none, "", 409),
        ("POST /aggregates/economy/new", some, "{}", 409),
        ("POST /aggregates/economy/new", [("if-match", "*")], "{}", 404),
        ("POST /aggregates/economy/new", none, "{}", 200),
        // Which part is meant, a header does not say.
        ("POST /transactions", some, part, 400),
        ("POST /transactions", none, part, 400),
        ("POST /player/p/sync", some, "{}", 400),
        ("POST /aggregates:batchUpdate", some, r#"{"updates":[]}"#, 400),
        ("POST /aggregates:streamUpdates", some, "", 400),
        ("POST /global/sync", some, "{}", 400),
        // A list of tags on a write, and both at once.
        ("PUT /player/p", [("if-none-match", "\"1\"")], "{}", 400),
    ] {
        let answer = send(&world, call, &headers, body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{call} {headers:?}: {text}");
    }
    assert_eq!(world.events() - before, 5, "what was refused has written nothing");
    let both = [("if-match", "*"), ("if-none-match", "*")];
    assert_eq!(send(&world, "PUT /player/p", &both, "{}").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_header_is_of_one_write_only() {
    let world = World::new().await;
    let client = world.client().await;
    create(&client, "economy", "e", &json!({})).await.unwrap();
    let before = world.events();
    let key = [("idempotency-key", "k")];
    let update = r#"{"type":"economy","id":"e","mergePatch":{}}"#;
    for (call, body) in [
        ("POST /aggregates:batchUpdate", format!("{{\"updates\":[{update},{update}]}}")),
        ("POST /aggregates:streamUpdates", format!("{{\"update\":{update}}}\n")),
        ("POST /player/p/sync", r#"{"changes":[{"mergePatch":{}}]}"#.to_owned()),
    ] {
        let answer = send(&world, call, &key, &body).await;
        assert_eq!((answer.status, refused_field(&answer)), (400, "Idempotency-Key".to_owned()));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.contains("idempotencyKey in each"), "{text}");
    }
    assert_eq!(world.events(), before);

    // A condition belongs to what a key stands for.
    let call = "PATCH /aggregates/economy/e";
    let patch = r#"{"mergePatch":{"owner":"x"}}"#;
    for (if_match, status) in [("\"1\"", 200), ("\"1\"", 200), ("\"999\"", 400), ("*", 400)] {
        let answer = send(&world, call, &[key[0], ("if-match", if_match)], patch).await;
        let reason = answer.json()["details"][0]["reason"].clone();
        assert_eq!(answer.status, status, "{if_match}");
        if status == 400 {
            assert_eq!(reason, "IDEMPOTENCY_KEY_REUSED");
        }
    }
    assert_eq!(world.events(), before + 1);
}
