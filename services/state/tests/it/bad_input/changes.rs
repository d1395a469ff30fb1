//! Bodies and changes.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::Code;
use pb::operation::Kind;
use prost_types::{Struct, Value};
use serde_json::{Value as Json, json};

use super::row::{Row, row};
use crate::it::calls::{incremented, merge, operations, set};
use crate::it::documents::{document, message};

const SEED: &str = "/aggregates/economy/seed";
const NUMBER: &str = "2^53 − 1";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = sizes();
    rows.extend(numbers());
    rows.extend(kinds());
    rows.extend(targets());
    rows.extend(events());
    rows
}

/// Maps within one another.
fn deep(levels: usize) -> Json {
    (1..levels).fold(json!({}), |inner, _| json!({ "d": inner }))
}

fn patch(patch: &Json) -> pb::UpdateAggregateRequest {
    merge("economy", "seed", patch)
}

fn body(patch: &Json) -> String {
    json!({ "mergePatch": patch }).to_string()
}

fn sizes() -> Vec<Row> {
    let large = json!({"ballast": "x".repeat(10 << 20)});
    let above_state = json!({"ballast": "x".repeat((1 << 20) + 1)});
    let wide: serde_json::Map<String, Json> =
        (0..10_001).map(|n| (format!("n{n}"), Json::Null)).collect();
    let wide = json!({ "wide": wide });
    let long_name = json!({"n".repeat(257): 1});
    let deeper = format!("{{\"mergePatch\": {}1{}}}", "{\"d\":".repeat(1_000), "}".repeat(1_000));
    // Put together by hand: a thousand levels are more than a test's own stack may hold twice.
    let mut thousand = Value::default();
    for _ in 0..1_000 {
        let fields = [("d".to_owned(), thousand)].into();
        thousand = Value { kind: Some(prost_types::value::Kind::StructValue(Struct { fields })) };
    }
    let Some(prost_types::value::Kind::StructValue(thousand)) = thousand.kind else {
        unreachable!("it was made of maps")
    };
    let thousand = pb::UpdateAggregateRequest {
        change: Some(pb::update_aggregate_request::Change::MergePatch(thousand)),
        ..merge("economy", "seed", &json!({}))
    };
    vec![
        row("a body of 10 MB", Code::PayloadTooLarge, "", "4194304")
            .rest("PATCH", SEED, &[], body(&large))
            .grpc(|mut c| async move { c.update_aggregate(patch(&large)).await }),
        row("a state of more than 1 MiB", Code::SchemaViolation, "ballast", "1048576")
            .rest("PATCH", SEED, &[], body(&above_state))
            .grpc(|mut c| async move { c.update_aggregate(patch(&above_state)).await }),
        row("a map of more than 10,000 names", Code::SchemaViolation, "wide", "10000")
            .rest("PATCH", SEED, &[], body(&wide))
            .grpc(|mut c| async move { c.update_aggregate(patch(&wide)).await }),
        row("a name of 257 bytes", Code::SchemaViolation, "", "256")
            .rest("PATCH", SEED, &[], body(&long_name))
            .grpc(|mut c| async move { c.update_aggregate(patch(&long_name)).await }),
        row("33 levels", Code::SchemaViolation, DEEPEST, "32")
            .rest("PATCH", SEED, &[], body(&deep(33)))
            .grpc(|mut c| async move { c.update_aggregate(patch(&deep(33))).await }),
        row("1,000 levels", Code::MalformedBody, "", "")
            .rest("PATCH", SEED, &[], deeper)
            .grpc(|mut c| async move { c.update_aggregate(thousand).await }),
        row("duplicate keys", Code::MalformedBody, "mergePatch.gold", "given twice").rest(
            "PATCH",
            SEED,
            &[],
            r#"{"mergePatch": {"gold": 1, "gold": 2}}"#,
        ),
        row("duplicate fields", Code::MalformedBody, "mergePatch", "given twice").rest(
            "PATCH",
            SEED,
            &[],
            r#"{"mergePatch": {}, "mergePatch": {"a": 1}}"#,
        ),
        row("both spellings of a field", Code::MalformedBody, "mergePatch", "given twice").rest(
            "PATCH",
            SEED,
            &[],
            r#"{"mergePatch": {}, "merge_patch": {"a": 1}}"#,
        ),
        row("an unknown field", Code::MalformedBody, "colour", "is not a field").rest(
            "PATCH",
            SEED,
            &[],
            r#"{"mergePatch": {}, "colour": 1}"#,
        ),
        row("half a body", Code::MalformedBody, "", "").rest(
            "PATCH",
            SEED,
            &[],
            r#"{"mergePatch": {"#,
        ),
        row("no JSON", Code::MalformedBody, "", "").rest("PATCH", SEED, &[], "gold=1"),
    ]
}

/// The path of the 33rd level.
const DEEPEST: &str = "d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d";

fn numbers() -> Vec<Row> {
    let number = |number| pb::UpdateAggregateRequest {
        change: Some(pb::update_aggregate_request::Change::MergePatch(Struct {
            fields: [("n".to_owned(), Value::from(number))].into(),
        })),
        ..patch(&json!({}))
    };
    let health = |health| pb::PutPlayerRequest {
        player_id: "seed".to_owned(),
        player: Some(pb::PlayerState { health: Some(health), ..Default::default() }),
        ..Default::default()
    };
    let increment = |path: &str, by| operations("economy", "seed", vec![incremented(path, by)]);
    let gold = "balances.gold";
    let by = |by: &str| {
        let path = json!(gold);
        format!(
            r#"{{"operations": {{"operations": [{{"increment": {{"path": {path}, "by": {by}}}}}]}}}}"#
        )
    };
    vec![
        row("NaN in a state", Code::InvalidArgument, "mergePatch.n", NUMBER)
            .grpc(move |mut c| async move { c.update_aggregate(number(f64::NAN)).await }),
        row("infinity in a state", Code::InvalidArgument, "mergePatch.n", NUMBER)
            .grpc(move |mut c| async move { c.update_aggregate(number(f64::INFINITY)).await }),
        row("2^53 in a state", Code::InvalidArgument, "mergePatch.n", NUMBER)
            .rest("PATCH", SEED, &[], r#"{"mergePatch": {"n": 9007199254740992}}"#)
            .grpc(move |mut c| async move { c.update_aggregate(number(9_007_199_254_740_992.0)).await }),
        row("NaN in JSON", Code::MalformedBody, "", "")
            .rest("PATCH", SEED, &[], r#"{"mergePatch": {"n": NaN}}"#),
        row("1e400 in JSON", Code::InvalidArgument, "mergePatch.n", "finite")
            .rest("PATCH", SEED, &[], r#"{"mergePatch": {"n": 1e400}}"#),
        row("health of NaN", Code::InvalidArgument, "player.health", NUMBER)
            .rest("PUT", "/player/seed", &[], r#"{"health": "NaN"}"#)
            .grpc(move |mut c| async move { c.put_player(health(f64::NAN)).await }),
        row("health of −1", Code::SchemaViolation, "health", "0")
            .rest("PUT", "/player/seed", &[], r#"{"health": -1}"#)
            .grpc(move |mut c| async move { c.put_player(health(-1.0)).await }),
        row("an increment that overflows", Code::NumericOverflow, gold, "9007199254740991")
            .rest("PATCH", SEED, &[], by("1"))
            .grpc(move |mut c| async move { c.update_aggregate(increment(gold, 1.0)).await }),
        row("an increment by NaN", Code::InvalidArgument, "operations[0].by", NUMBER)
            .rest("PATCH", SEED, &[], by("\"NaN\""))
            .grpc(move |mut c| async move { c.update_aggregate(increment(gold, f64::NAN)).await }),
        row("an increment by 1e300", Code::InvalidArgument, "operations[0].by", NUMBER)
            .rest("PATCH", SEED, &[], by("1e300"))
            .grpc(move |mut c| async move { c.update_aggregate(increment(gold, 1e300)).await }),
        row("an increment below what is allowed", Code::SchemaViolation, gold, "0")
            .rest("PATCH", SEED, &[], by("-9007199254740991").replace("}}]", "}}, {\"increment\": {\"path\": \"balances.gold\", \"by\": -1}}]"))
            .grpc(move |mut c| async move {
                let twice = vec![incremented(gold, -9_007_199_254_740_991.0), incremented(gold, -1.0)];
                c.update_aggregate(operations("economy", "seed", twice)).await
            }),
    ]
}

fn kinds() -> Vec<Row> {
    let player = |patch: Json| merge("player", "seed", &patch);
    let one = |operation: pb::Operation| operations("economy", "seed", vec![operation]);
    let append = pb::AppendOperation {
        path: "owner".to_owned(),
        values: vec![message(&json!(1))],
        length_max: 0,
    };
    let append = pb::Operation { kind: Some(Kind::Append(append)) };
    let negative =
        pb::AppendOperation { path: "log".to_owned(), values: Vec::new(), length_max: -1 };
    let negative = pb::Operation { kind: Some(Kind::Append(negative)) };
    let many = vec![incremented("n", 1.0); 257];
    let many_body = json!({"operations": {"operations":
        vec![json!({"increment": {"path": "n", "by": 1}}); 257]}})
    .to_string();
    let in_operations =
        |operation: Json| json!({"operations": {"operations": [operation]}}).to_string();
    vec![
        row("a text for a number", Code::SchemaViolation, "level", "a whole number")
            .rest("PATCH", "/aggregates/player/seed", &[], body(&json!({"level": "high"})))
            .grpc(move |mut c| async move { c.update_aggregate(player(json!({"level": "high"}))).await }),
        row("a field that the type does not have", Code::SchemaViolation, "mana", "mana")
            .rest("PATCH", "/aggregates/player/seed", &[], body(&json!({"mana": 1})))
            .grpc(move |mut c| async move { c.update_aggregate(player(json!({"mana": 1}))).await }),
        row("a status that is none", Code::SchemaViolation, "status", "in_lobby")
            .rest("PUT", "/player/seed", &[], r#"{"status": "asleep"}"#)
            .grpc(|mut c| async move {
                let player = pb::PlayerState { status: "asleep".to_owned(), ..Default::default() };
                let request = pb::PutPlayerRequest {
                    player_id: "seed".to_owned(),
                    player: Some(player),
                    ..Default::default()
                };
                c.put_player(request).await
            }),
        row("a jump across the map", Code::ValidatorRefused, "position.x", "may at most")
            .rest("PUT", "/player/seed?updateMask=positionX", &[], r#"{"positionX": 9000000}"#)
            .grpc(move |mut c| async move {
                let jump = json!({"position": {"x": 9_000_000}});
                c.update_aggregate(player(jump)).await
            }),
        row("an item for a text", Code::OperationRefused, "owner", "list")
            .rest("PATCH", SEED, &[], in_operations(json!({"append": {"path": "owner", "values": [1]}})))
            .grpc(move |mut c| async move { c.update_aggregate(one(append)).await }),
        row("a list of length −1", Code::InvalidArgument, "operations[0].lengthMax", "0 and above")
            .rest("PATCH", SEED, &[], in_operations(json!({"append": {"path": "log", "lengthMax": -1}})))
            .grpc(move |mut c| async move { c.update_aggregate(one(negative)).await }),
        row("a path that is none", Code::InvalidArgument, "operations[0].path", "")
            .rest("PATCH", SEED, &[], in_operations(json!({"set": {"path": "a..b", "value": 1}})))
            .grpc(move |mut c| async move { c.update_aggregate(one(set("a..b", &json!(1)))).await }),
        row("an operation that does nothing", Code::InvalidArgument, "operations[0]", "increment, append")
            .rest("PATCH", SEED, &[], in_operations(json!({})))
            .grpc(move |mut c| async move { c.update_aggregate(one(pb::Operation::default())).await }),
        row("no operations", Code::InvalidArgument, "operations", "accepts 1 to 256")
            .rest("PATCH", SEED, &[], r#"{"operations": {}}"#)
            .grpc(|mut c| async move {
                c.update_aggregate(operations("economy", "seed", Vec::new())).await
            }),
        row("257 operations", Code::InvalidArgument, "operations", "accepts 1 to 256")
            .rest("PATCH", SEED, &[], many_body)
            .grpc(|mut c| async move {
                c.update_aggregate(operations("economy", "seed", many)).await
            }),
        row("no change", Code::InvalidArgument, "change", "mergePatch, operations, replace")
            .rest("PATCH", SEED, &[], "{}")
            .grpc(|mut c| async move {
                let request = pb::UpdateAggregateRequest { change: None, ..patch(&json!({})) };
                c.update_aggregate(request).await
            }),
    ]
}

fn targets() -> Vec<Row> {
    let delete = pb::DeleteAggregateRequest {
        r#type: "economy".to_owned(),
        id: "nobody".to_owned(),
        ..Default::default()
    };
    let create = pb::CreateAggregateRequest {
        r#type: "economy".to_owned(),
        id: "seed".to_owned(),
        state: Some(document(&json!({}))),
        ..Default::default()
    };
    vec![
        row("a patch of a missing aggregate", Code::NotFound, "", "does not exist")
            .rest("PATCH", "/aggregates/economy/nobody", &[], body(&json!({"a": 1})))
            .grpc(|mut c| async move {
                c.update_aggregate(merge("economy", "nobody", &json!({"a": 1}))).await
            }),
        row("a deletion of a missing aggregate", Code::NotFound, "", "does not exist")
            .rest("DELETE", "/aggregates/economy/nobody", &[], "")
            .grpc(|mut c| async move { c.delete_aggregate(delete).await }),
        row("a creation of what exists", Code::AlreadyExists, "", "at version 3")
            .rest("POST", SEED, &[], "{}")
            .grpc(|mut c| async move { c.create_aggregate(create).await }),
        row("a transaction of nothing", Code::InvalidArgument, "parts", "accepts 1 to 100")
            .rest("POST", "/transactions", &[], "{}")
            .grpc(|mut c| async move { c.transact(pb::TransactRequest::default()).await }),
        row(
            "a part that does nothing",
            Code::InvalidArgument,
            "parts[0].action",
            "create, mergePatch",
        )
        .rest("POST", "/transactions", &[], r#"{"parts": [{"type": "economy", "id": "a"}]}"#)
        .grpc(|mut c| async move {
            let part = pb::TransactionPart {
                r#type: "economy".to_owned(),
                id: "a".to_owned(),
                ..Default::default()
            };
            c.transact(pb::TransactRequest { parts: vec![part], ..Default::default() }).await
        }),
    ]
}

fn events() -> Vec<Row> {
    let append = |kind: &str, id: &str| pb::AppendEventsRequest {
        r#type: "economy".to_owned(),
        id: "seed".to_owned(),
        events: vec![pb::NewAggregateEvent {
            event_id: id.to_owned(),
            kind: kind.to_owned(),
            data: None,
        }],
        ..Default::default()
    };
    let events = format!("{SEED}/events");
    let rest = |row: Row, body: &str| row.rest("POST", events.clone(), &[], body);
    let reserved =
        row("a kind of the product's own", Code::InvalidArgument, "kind", "none of created")
            .grpc(move |mut c| async move { c.append_events(append("created", "")).await });
    let empty = row("a kind that is empty", Code::InvalidArgument, "kind", "accepts 1 to 128")
        .grpc(move |mut c| async move { c.append_events(append("", "")).await });
    let id = row("an event id that is none", Code::InvalidArgument, "events[0].eventId", "UUID")
        .grpc(move |mut c| async move { c.append_events(append("k", "7")).await });
    let none = row("no events", Code::InvalidArgument, "events", "accepts 1 to 1000").grpc(
        move |mut c| async move {
            c.append_events(pb::AppendEventsRequest { events: Vec::new(), ..append("k", "") }).await
        },
    );
    vec![
        rest(reserved, r#"{"events": [{"kind": "created"}]}"#),
        rest(empty, r#"{"events": [{}]}"#),
        rest(id, r#"{"events": [{"kind": "k", "eventId": "7"}]}"#),
        rest(none, "{}"),
    ]
}
