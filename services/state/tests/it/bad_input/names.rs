//! Types, ids and parameters.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::Code;
use serde_json::json;

use super::row::{Row, row};
use crate::it::calls::merge;

const ID: &str = "accepts 1 to 256 bytes";
const TYPE: &str = "accepts 1 to 64 characters";

pub(super) fn read(aggregate_type: &str, id: &str) -> pb::GetAggregateRequest {
    pb::GetAggregateRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        ..Default::default()
    }
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = ids();
    rows.extend(types());
    rows.extend(parameters());
    rows
}

fn ids() -> Vec<Row> {
    let long = "x".repeat(4_096);
    let rows = [
        ("an id of 4 KiB", long.clone(), long),
        ("an id with NUL", "a\0b".to_owned(), "a%00b".to_owned()),
        ("an id with a line break", "a\nb".to_owned(), "a%0Ab".to_owned()),
        ("an id with spaces at its end", "a ".to_owned(), "a%20".to_owned()),
        ("an id of 257 bytes", "é".repeat(128) + "x", "%C3%A9".repeat(128) + "x"),
    ];
    let mut rows: Vec<Row> = rows
        .into_iter()
        .flat_map(|(what, id, path)| {
            let state = r#"{"owner": "o"}"#;
            let create = pb::CreateAggregateRequest {
                r#type: "economy".to_owned(),
                id: id.clone(),
                ..Default::default()
            };
            let (got, patched) = (read("economy", &id), merge("economy", &id, &json!({})));
            let player = pb::GetPlayerRequest { player_id: id, ..Default::default() };
            [
                row(what, Code::InvalidArgument, "id", ID)
                    .grpc(|mut c| async move { c.get_aggregate(got).await })
                    .get(format!("/aggregates/economy/{path}")),
                row(what, Code::InvalidArgument, "id", ID)
                    .grpc(|mut c| async move { c.create_aggregate(create).await })
                    .rest("POST", format!("/aggregates/economy/{path}"), &[], state),
                row(what, Code::InvalidArgument, "id", ID)
                    .grpc(|mut c| async move { c.update_aggregate(patched).await })
                    .rest(
                        "PATCH",
                        format!("/aggregates/economy/{path}"),
                        &[],
                        r#"{"mergePatch": {}}"#,
                    ),
                row(what, Code::InvalidArgument, "playerId", ID)
                    .grpc(|mut c| async move { c.get_player(player).await })
                    .get(format!("/player/{path}")),
            ]
        })
        .collect();
    let empty = merge("economy", "", &json!({"owner": "o"}));
    rows.extend([
        row("an empty id", Code::InvalidArgument, "id", ID)
            .grpc(|mut c| async move { c.get_aggregate(read("economy", "")).await }),
        row("an empty id", Code::InvalidArgument, "id", ID)
            .grpc(|mut c| async move { c.update_aggregate(empty).await }),
        row("an empty player id", Code::InvalidArgument, "playerId", ID)
            .grpc(|mut c| async move { c.put_player(pb::PutPlayerRequest::default()).await }),
        row("an empty id in the path", Code::UnknownPath, "", "no route")
            .get("/aggregates/economy/"),
        row("an id that is not UTF-8", Code::InvalidArgument, "id", "UTF-8")
            .get("/aggregates/economy/a%FFb"),
    ]);
    rows
}

fn types() -> Vec<Row> {
    let long = "t".repeat(65);
    let schema = pb::RegisterTypeRequest {
        r#type: "Pet".to_owned(),
        schema: Some(Default::default()),
        ..Default::default()
    };
    vec![
        row("an unknown type", Code::UnknownType, "type", "economy, guild")
            .grpc(|mut c| async move { c.get_aggregate(read("pet", "a")).await })
            .get("/aggregates/pet/a"),
        row("an unknown type to list", Code::UnknownType, "type", "accepts a registered type")
            .grpc(|mut c| async move {
                let request =
                    pb::ListAggregatesRequest { r#type: "pet".to_owned(), ..Default::default() };
                c.list_aggregates(request).await
            })
            .get("/aggregates/pet"),
        row("an internal type", Code::InvalidArgument, "type", TYPE)
            .grpc(|mut c| async move { c.get_aggregate(read("_type", "a")).await })
            .get("/aggregates/_type/a"),
        row("a type of 65 characters", Code::InvalidArgument, "type", TYPE)
            .grpc({
                let request = read(&long, "a");
                |mut c| async move { c.get_aggregate(request).await }
            })
            .get(format!("/aggregates/{long}/a")),
        row("a type with capitals", Code::InvalidArgument, "type", TYPE)
            .grpc(|mut c| async move { c.register_type(schema).await })
            .rest("PUT", "/types/Pet", &[], "{}"),
        row("a watch of an id without a type", Code::InvalidArgument, "type", "is required")
            .grpc(|mut c| async move {
                let request =
                    pb::WatchAggregatesRequest { id: "a".to_owned(), ..Default::default() };
                c.watch_aggregates(request).await
            })
            .get("/aggregates:watch?id=a"),
        row(
            "a player whose body names another",
            Code::InvalidArgument,
            "player.playerId",
            "the path",
        )
        .grpc(|mut c| async move {
            let player = pb::PlayerState { player_id: "b".to_owned(), ..Default::default() };
            let request = pb::PutPlayerRequest {
                player_id: "a".to_owned(),
                player: Some(player),
                ..Default::default()
            };
            c.put_player(request).await
        })
        .rest("PUT", "/player/a", &[], r#"{"playerId": "b"}"#),
    ]
}

fn parameters() -> Vec<Row> {
    let seed = || read("economy", "seed");
    let bounded = 3;
    let duration = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let reason = pb::UpdateAggregateRequest {
        reason: "r".repeat(1_025),
        ..merge("economy", "seed", &json!({}))
    };
    let long_reason = format!(r#"{{"mergePatch": {{}}, "reason": "{}"}}"#, "r".repeat(1_025));
    vec![
        row("an unknown consistency", Code::InvalidArgument, "consistency", "Consistency")
            .grpc(move |mut c| async move {
                c.get_aggregate(pb::GetAggregateRequest { consistency: 99, ..seed() }).await
            })
            .get("/aggregates/economy/seed?consistency=99"),
        row("an age without bounded reads", Code::InvalidArgument, "maxAge", "CONSISTENCY_BOUNDED")
            .grpc(move |mut c| async move {
                c.get_aggregate(pb::GetAggregateRequest { max_age: duration(1), ..seed() }).await
            })
            .get("/aggregates/economy/seed?maxAge=1s"),
        row("an age of two hours", Code::InvalidArgument, "maxAge", "0s to 3600s")
            .grpc(move |mut c| async move {
                let request = pb::GetAggregateRequest {
                    consistency: bounded,
                    max_age: duration(7_200),
                    ..seed()
                };
                c.get_aggregate(request).await
            })
            .get("/aggregates/economy/seed?consistency=CONSISTENCY_BOUNDED&maxAge=7200s"),
        row("a negative age", Code::InvalidArgument, "maxAge", "0s to 3600s")
            .grpc(move |mut c| async move {
                let request = pb::GetAggregateRequest {
                    consistency: bounded,
                    max_age: duration(-1),
                    ..seed()
                };
                c.get_aggregate(request).await
            })
            .get("/aggregates/economy/seed?consistency=CONSISTENCY_BOUNDED&maxAge=-1s"),
        row("an altered token", Code::TokenInvalid, "token", "unaltered")
            .grpc(move |mut c| async move {
                let token = "AQ".to_owned();
                c.get_aggregate(pb::GetAggregateRequest { token, ..seed() }).await
            })
            .get("/aggregates/economy/seed?token=AQ"),
        row("an altered resume token", Code::TokenInvalid, "resumeToken", "unaltered")
            .grpc(|mut c| async move {
                let request = pb::WatchAggregatesRequest {
                    resume_token: "AQ".to_owned(),
                    ..Default::default()
                };
                c.watch_aggregates(request).await
            })
            .get("/aggregates:watch?resumeToken=AQ"),
        row("an altered page token", Code::TokenInvalid, "pageToken", "unaltered")
            .grpc(|mut c| async move {
                let request = pb::ListAggregatesRequest {
                    r#type: "economy".to_owned(),
                    page_token: "AQ".to_owned(),
                    ..Default::default()
                };
                c.list_aggregates(request).await
            })
            .get("/aggregates/economy?pageToken=AQ"),
        row("a filter that ends within", Code::InvalidArgument, "filter", "")
            .grpc(|mut c| async move { c.list_aggregates(filtered("balances.gold >")).await })
            .get("/aggregates/economy?filter=balances.gold%20%3E"),
        row("a filter of more than 2,048 bytes", Code::InvalidArgument, "filter", "2048")
            .grpc(|mut c| async move {
                c.list_aggregates(filtered(&format!("owner = \"{}\"", "o".repeat(2_048)))).await
            })
            .get(format!("/aggregates/economy?filter=owner%3D%22{}%22", "o".repeat(2_048))),
        row("a filter over events in a list", Code::InvalidArgument, "filter", "watches")
            .grpc(|mut c| async move { c.list_aggregates(filtered("_kind = \"created\"")).await })
            .get("/aggregates/economy?filter=_kind%3D%22created%22"),
        row(
            "an unknown way for slow watchers",
            Code::InvalidArgument,
            "slowWatcher",
            "SlowWatcher",
        )
        .grpc(|mut c| async move {
            let request = pb::WatchAggregatesRequest { slow_watcher: 9, ..Default::default() };
            c.watch_aggregates(request).await
        })
        .get("/aggregates:watch?slowWatcher=9"),
        row("a reason of more than 1,024 bytes", Code::InvalidArgument, "reason", "1024 bytes")
            .grpc(|mut c| async move { c.update_aggregate(reason).await })
            .rest("PATCH", "/aggregates/economy/seed", &[], long_reason),
        row("a mask of fields that are none", Code::InvalidArgument, "updateMask", "position_x")
            .grpc(|mut c| async move {
                let request = pb::PutPlayerRequest {
                    player_id: "seed".to_owned(),
                    player: Some(pb::PlayerState::default()),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["mana".to_owned()] }),
                    ..Default::default()
                };
                c.put_player(request).await
            })
            .rest("PUT", "/player/seed?updateMask=mana", &[], "{}"),
        row("an unknown parameter", Code::InvalidArgument, "color", "color")
            .get("/aggregates/economy/seed?color=red"),
        row("no state at all", Code::InvalidArgument, "player", "state").grpc(|mut c| async move {
            let request = pb::PutPlayerRequest { player_id: "a".to_owned(), ..Default::default() };
            c.put_player(request).await
        }),
        row("a state that is no map", Code::InvalidArgument, "state", "an object").rest(
            "POST",
            "/aggregates/economy/a",
            &[],
            "[1]",
        ),
        row("a batch of too many", Code::InvalidArgument, "keys", "at most 1000")
            .grpc(|mut c| async move {
                let key = pb::AggregateKey { r#type: "economy".to_owned(), id: "a".to_owned() };
                let keys = vec![key; 1_001];
                c.batch_get_aggregates(pb::BatchGetAggregatesRequest { keys, ..Default::default() })
                    .await
            })
            .rest("POST", "/aggregates:batchGet", &[], many_keys()),
    ]
}

fn filtered(filter: &str) -> pb::ListAggregatesRequest {
    pb::ListAggregatesRequest {
        r#type: "economy".to_owned(),
        filter: filter.to_owned(),
        ..Default::default()
    }
}

fn many_keys() -> String {
    let keys = vec![json!({"type": "economy", "id": "a"}); 1_001];
    json!({ "keys": keys }).to_string()
}
