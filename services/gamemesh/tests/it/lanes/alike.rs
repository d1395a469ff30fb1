//! Whoever is called answers as the owner would: over REST and gRPC, in every status, with callers
//! authenticated.

use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{ClientOptions, v1};
use gamemesh_testkit::http;
use serde_json::{Value, json};

use super::studio::{Call, Studio, call, with};
use crate::it::ledger::count_up;

const HEADERS_THAT_DIFFER: [&str; 4] =
    ["content-length", "date", "x-correlation-id", "x-state-token"];

/// What callers compare: everything but names, times and tokens.
fn seen(answer: &http::Answer, id: &str) -> Value {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !HEADERS_THAT_DIFFER.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let text = without_digests(&answer.text()).replace(id, "ID");
    let mut body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    hide(&mut body);
    let token = answer.header("x-state-token").is_some();
    json!({ "status": answer.status.as_u16(), "headers": headers, "token": token, "body": body })
}

/// A key is told by its digest.
fn without_digests(text: &str) -> String {
    let is_digest = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let digest = text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_digest);
    digest.map_or_else(|| text.to_owned(), |digest| text.replace(digest, "DIGEST"))
}

/// Puts a word in the place of what differs from call to call.
fn hide(value: &mut Value) {
    const DIFFER: [&str; 10] = [
        "age",
        "token",
        "time",
        "createdAt",
        "updatedAt",
        "lastUpdated",
        "eventId",
        "position",
        "lane",
        "traceparent",
    ];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match DIFFER.contains(&name.as_str()) {
                    true => *value = Value::String("differs".to_owned()),
                    false => hide(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// Calls in this order, with ID in the place of the aggregate's.
fn script() -> Vec<(&'static str, &'static str, Call)> {
    const PLAYER: &str = "/api/v1/state/player/ID";
    const GUILD: &str = "/api/v1/state/aggregates/guild/ID";
    let key = &[("idempotency-key", "key of ID")];
    let increment = json!({ "operations": [{ "increment": { "path": "level", "by": 1 } }] });
    vec![
        ("PUT", PLAYER, call(json!({ "level": 3, "health": 50 }))),
        ("PUT", PLAYER, with(&[("if-match", "\"1\"")], json!({ "level": 4, "health": 50 }))),
        // A conflict, with its facts.
        ("PUT", PLAYER, with(&[("if-match", "\"1\"")], json!({ "level": 9 }))),
        ("PUT", PLAYER, call(json!({ "level": -1 }))),
        ("PUT", PLAYER, call(json!({ "nonsense": 1 }))),
        ("PUT", PLAYER, Call { anonymous: true, ..call(json!({ "level": 5 })) }),
        ("PUT", PLAYER, Call { as_player: true, ..call(json!({ "level": 5 })) }),
        ("POST", GUILD, call(json!({ "name": "Wolves", "level": 1 }))),
        ("POST", GUILD, call(json!({ "name": "Wolves", "level": 1 }))),
        ("PATCH", GUILD, call(json!({ "operations": increment }))),
        ("PATCH", GUILD, call(json!({ "mergePatch": { "motto": "howl" } }))),
        ("PATCH", GUILD, call(json!({ "mergePatch": { "level": "high" } }))),
        ("PATCH", GUILD, call(json!({}))),
        ("PATCH", GUILD, with(key, json!({ "mergePatch": { "motto": "bark" } }))),
        ("PATCH", GUILD, with(key, json!({ "mergePatch": { "motto": "bark" } }))),
        ("PATCH", GUILD, with(key, json!({ "mergePatch": { "motto": "other" } }))),
        (
            "POST",
            "/api/v1/state/aggregates/guild/ID/events",
            call(json!({ "events": [{ "kind": "raided", "data": { "by": "ann" } }] })),
        ),
        ("POST", "/api/v1/state/aggregates/guild/ID:rollback", call(json!({ "toVersion": 1 }))),
        (
            "POST",
            "/api/v1/state/player/ID/sync",
            call(json!({ "changes": [
                { "idempotencyKey": "sync of ID", "mergePatch": { "level": 8 } },
                { "idempotencyKey": "wrong of ID", "mergePatch": { "level": -8 } },
            ]})),
        ),
        ("DELETE", GUILD, call(Value::Null)),
        ("DELETE", GUILD, with(&[("if-match", "*")], Value::Null)),
        ("PATCH", "/api/v1/state/aggregates/nonsense/ID", call(json!({ "mergePatch": {} }))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_called_answers_as_the_owner() {
    let studio = Studio::open().await;
    let id_of = |id: &str, text: &str| text.replace("ID", id);
    for at in 0..studio.worlds.len() {
        // A player and a guild of the same name lie in different lanes: each is chosen for its own.
        let [players, guilds] =
            ["player", "guild"].map(|kind| studio.ids(kind, &format!("{kind}{at}"), at));
        for (method, path, call) in script() {
            let (own, other) = if path.contains("/player/") { &players } else { &guilds };
            let mut answers = Vec::new();
            for id in [own, other] {
                let headers = call.headers.iter().map(|(name, value)| {
                    // One key for each aggregate; leaked for the length of the test.
                    (*name, &*Box::leak(id_of(id, value).into_boxed_str()))
                });
                let sent = Call {
                    headers: headers.collect(),
                    body: serde_json::from_str(&id_of(id, &call.body.to_string())).unwrap(),
                    ..call
                };
                let answer = studio.call(at, method, &id_of(id, path), &sent).await;
                answers.push(seen(&answer, id));
            }
            assert_eq!(answers[0], answers[1], "{method} {path} {} at {at}", call.body);
        }
        assert!(studio.passed_on(at).await > 10, "{at} passed nothing on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_streams_and_transactions_go_over_owners() {
    let studio = Studio::open().await;
    let options = ClientOptions { token: Some(studio.token.clone()), ..ClientOptions::default() };
    let mut ids = Vec::new();
    for owner in 0..studio.worlds.len() {
        let (own, _) = studio.ids("world", &format!("w{owner}"), owner);
        assert_eq!(studio.owner_of("world", &own), owner);
        ids.push(own);
    }
    for (at, world) in studio.worlds.iter().enumerate() {
        let client = world.client_with(options.clone()).await.unwrap();
        // In order, whoever made them; what is refused is told in its place.
        let mut updates: Vec<_> =
            (0..30).map(|n| count_up(&ids[n % ids.len()], &format!("batch-{at}-{n}"))).collect();
        updates[7].expected_version = Some(999);
        let request = v1::BatchUpdateAggregatesRequest { updates: updates.clone() };
        let first = client.batch_update_aggregates(request.clone()).await.unwrap();
        let again = client.batch_update_aggregates(request).await.unwrap();
        assert_eq!(first.results.len(), updates.len());
        for (n, (first, again)) in first.results.iter().zip(&again.results).enumerate() {
            let [first, again] = [first, again].map(|result| result.result.clone().unwrap());
            use v1::batch_update_result::Result as Outcome;
            match (first, again) {
                (Outcome::Refusal(first), Outcome::Refusal(_)) => {
                    assert_eq!((n, &*first.reason), (7, "VERSION_CONFLICT"));
                    assert!(first.facts.contains_key("actualVersion"), "{first:?}");
                }
                (Outcome::Updated(first), Outcome::Updated(again)) => {
                    let [first, again] = [first, again].map(|updated| updated.write.unwrap());
                    assert!(!first.repeated_write && again.repeated_write, "{n}");
                    assert_eq!(first.version, again.version, "{n}");
                }
                other => panic!("{n}: {other:?}"),
            }
        }

        let requests = (0..60_i64).map(|sequence| v1::StreamUpdatesRequest {
            sequence,
            update: Some(count_up(
                &ids[sequence as usize % ids.len()],
                &format!("s{at}-{sequence}"),
            )),
        });
        let requests: Vec<_> = requests.collect();
        let mut answers = client.stream_updates(futures::stream::iter(requests)).await.unwrap();
        let mut last = vec![0; ids.len()];
        for _ in 0..60 {
            let answer = answers.message().await.unwrap().unwrap();
            let Some(v1::batch_update_result::Result::Updated(updated)) =
                answer.result.unwrap().result
            else {
                panic!("an update was refused")
            };
            // The order of each aggregate is that of the stream.
            let version = updated.write.unwrap().version;
            let before = &mut last[answer.sequence as usize % ids.len()];
            assert!(version > *before, "{version} after {before}");
            *before = version;
        }

        // One transaction over everybody's lanes, and its repetition at the next instance.
        let part = |id: &String| v1::TransactionPart {
            r#type: "world".into(),
            id: id.clone(),
            action: Some(v1::transaction_part::Action::MergePatch(mark(at))),
            expected_version: None,
        };
        let request = v1::TransactRequest {
            parts: ids.iter().map(part).collect(),
            idempotency_key: format!("transaction-{at}"),
            ..Default::default()
        };
        let first = client.transact(request.clone()).await.unwrap();
        let next = &studio.worlds[(at + 1) % studio.worlds.len()];
        let elsewhere = next.client_with(options.clone()).await.unwrap();
        let again = elsewhere.transact(request).await.unwrap();
        let versions = |answer: &v1::TransactResponse| -> Vec<i64> {
            answer.writes.iter().map(|write| write.version).collect()
        };
        assert_eq!(versions(&first), versions(&again));
        assert!(again.writes.iter().all(|write| write.repeated_write));
        assert!(studio.passed_on(at).await > 0);
    }
    let verified = studio.worlds[0].cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
}

/// Without a token: an instance has not seen yet what it passed on, and answers all the same as if it had
/// made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_answered_reads_there_what_he_wrote() {
    let studio = Studio::open().await;
    let (_, other) = studio.ids("guild", "read", 0);
    let path = format!("/api/v1/state/aggregates/guild/{other}");
    let version = |answer: &http::Answer| -> i64 {
        answer
            .header("x-state-version")
            .unwrap_or_else(|| panic!("{}", answer.text()))
            .parse()
            .unwrap()
    };
    for n in 0..100 {
        let change =
            call(json!({ "mergePatch": { "motto": n.to_string() }, "createMissing": true }));
        let written = studio.call(0, "PATCH", &path, &change).await;
        let read = studio.call(0, "GET", &path, &Call::default()).await;
        assert!(version(&read) >= version(&written), "{n}: {}", read.text());
    }
    assert!(studio.passed_on(0).await >= 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_over_grpc_are_those_of_the_owner() {
    let studio = Studio::open().await;
    let options = ClientOptions { token: Some(studio.token.clone()), ..ClientOptions::default() };
    for (at, world) in studio.worlds.iter().enumerate() {
        let client = world.client_with(options.clone()).await.unwrap();
        let (own, other) = studio.ids("guild", &format!("g{at}"), at);
        let refused = [
            (Some(7), json!({ "level": 2 })),
            (None, json!({ "level": 0 })),
            (None, json!({ "level": "high" })),
        ];
        for (expected_version, patch) in refused {
            let mut errors = Vec::new();
            for id in [&own, &other] {
                let request = v1::UpdateAggregateRequest {
                    r#type: "guild".into(),
                    id: id.clone(),
                    create_missing: true,
                    expected_version,
                    change: Some(Change::MergePatch(structure(&patch))),
                    ..Default::default()
                };
                let error = client.update_aggregate(request).await.unwrap_err();
                errors.push(format!("{error:?}").replace(&**id, "ID"));
            }
            assert_eq!(errors[0], errors[1], "{patch}");
        }
    }
}

fn mark(at: usize) -> prost_types::Struct {
    structure(&json!({ "mark": at }))
}

fn structure(value: &Value) -> prost_types::Struct {
    let fields = value.as_object().unwrap().iter().map(|(name, value)| {
        let kind = match value {
            Value::String(text) => prost_types::value::Kind::StringValue(text.clone()),
            value => prost_types::value::Kind::NumberValue(value.as_f64().unwrap()),
        };
        (name.clone(), prost_types::Value { kind: Some(kind) })
    });
    prost_types::Struct { fields: fields.collect() }
}
