//! Versions, times and pages.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::Code;
use pb::rollback_aggregate_request::Target;
use prost_types::Timestamp;
use serde_json::json;

use super::names::read;
use super::row::{Row, row};
use crate::it::calls::merge;

const VERSION: &str = "accepts 0 to 9223372036854775807";
const SEED: &str = "/aggregates/economy/seed";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = versions();
    rows.extend(expectations());
    rows.extend(times());
    rows.extend(rollbacks());
    rows.extend(pages());
    rows
}

fn versions() -> Vec<Row> {
    let at =
        |version| pb::GetAggregateRequest { version: Some(version), ..read("economy", "seed") };
    let diff = |from, to| pb::DiffAggregateRequest {
        r#type: "economy".to_owned(),
        id: "seed".to_owned(),
        from,
        to,
    };
    let events =
        |from_version, to_version| pb::ListEventsRequest { from_version, to_version, ..events() };
    vec![
        row("version −1", Code::InvalidArgument, "version", VERSION)
            .grpc(move |mut c| async move { c.get_aggregate(at(-1)).await })
            .get(format!("{SEED}?version=-1")),
        row("version 4 of 3", Code::OutOfHistory, "version", "accepts 0 to 3")
            .grpc(move |mut c| async move { c.get_aggregate(at(4)).await })
            .get(format!("{SEED}?version=4")),
        row("version 2^63 − 1", Code::OutOfHistory, "version", "accepts 0 to 3")
            .grpc(move |mut c| async move { c.get_aggregate(at(i64::MAX)).await })
            .get(format!("{SEED}?version=9223372036854775807")),
        row("version 2^63", Code::InvalidArgument, "version", "to 9223372036854775807")
            .get(format!("{SEED}?version=9223372036854775808")),
        row("a version that is text", Code::InvalidArgument, "version", "")
            .get(format!("{SEED}?version=three")),
        row("version 0, before the first", Code::NotFound, "", "does not exist")
            .grpc(move |mut c| async move { c.get_aggregate(at(0)).await })
            .get(format!("{SEED}?version=0")),
        row("a difference from version −1", Code::InvalidArgument, "from", VERSION)
            .grpc(move |mut c| async move { c.diff_aggregate(diff(-1, 1)).await })
            .get(format!("{SEED}/diff?from=-1&to=1")),
        row("a difference to the future", Code::OutOfHistory, "to", "accepts 0 to 3")
            .grpc(move |mut c| async move { c.diff_aggregate(diff(1, 9)).await })
            .get(format!("{SEED}/diff?from=1&to=9")),
        row("a difference of nothing", Code::NotFound, "", "does not exist")
            .grpc(move |mut c| async move {
                c.diff_aggregate(pb::DiffAggregateRequest { id: "nobody".to_owned(), ..diff(0, 1) })
                    .await
            })
            .get("/aggregates/economy/nobody/diff?from=0&to=1"),
        row("events from version −1", Code::InvalidArgument, "fromVersion", VERSION)
            .grpc(move |mut c| async move { c.list_events(events(-1, 0)).await })
            .get(format!("{SEED}/events?fromVersion=-1")),
        row("events up to the future", Code::OutOfHistory, "toVersion", "accepts 0 to 3")
            .grpc(move |mut c| async move { c.list_events(events(0, 4)).await })
            .get(format!("{SEED}/events?toVersion=4")),
        row("a replay from version −1", Code::InvalidArgument, "fromVersion", VERSION)
            .grpc(|mut c| async move {
                let request = pb::ReplayAggregateRequest {
                    r#type: "economy".to_owned(),
                    id: "seed".to_owned(),
                    from_version: -1,
                    to_version: 0,
                };
                c.replay_aggregate(request).await
            })
            .get(format!("{SEED}:replay?fromVersion=-1")),
    ]
}

fn expectations() -> Vec<Row> {
    let expecting = |version| pb::UpdateAggregateRequest {
        expected_version: Some(version),
        ..merge("economy", "seed", &json!({"step": 9}))
    };
    let body = |version: &str| format!(r#"{{"mergePatch": {{}}, "expectedVersion": {version}}}"#);
    let patch = r#"{"mergePatch": {}}"#;
    vec![
        row("expected version −1", Code::InvalidArgument, "expectedVersion", "0 (must not exist)")
            .grpc(move |mut c| async move { c.update_aggregate(expecting(-1)).await })
            .rest("PATCH", SEED, &[], body("-1")),
        row(
            "expected version 2^63",
            Code::InvalidArgument,
            "expectedVersion",
            "9223372036854775807",
        )
        .rest("PATCH", SEED, &[], body("\"9223372036854775808\"")),
        row(
            "an expected version that is text",
            Code::InvalidArgument,
            "expectedVersion",
            "an integer",
        )
        .rest("PATCH", SEED, &[], body("\"three\"")),
        row("a stale version", Code::VersionConflict, "", "at version 3, expected 2")
            .grpc(move |mut c| async move { c.update_aggregate(expecting(2)).await })
            .rest("PATCH", SEED, &[], body("2")),
        row("must not exist", Code::VersionConflict, "", "must not")
            .grpc(move |mut c| async move { c.update_aggregate(expecting(0)).await })
            .rest("PATCH", SEED, &[], body("0")),
        row("If-Match that is no ETag", Code::InvalidArgument, "If-Match", "one ETag").rest(
            "PATCH",
            SEED,
            &[("if-match", "\"three\"")],
            patch,
        ),
        row("If-Match −1", Code::InvalidArgument, "If-Match", "one ETag").rest(
            "PATCH",
            SEED,
            &[("if-match", "\"-1\"")],
            patch,
        ),
        row("two that contradict", Code::InvalidArgument, "If-Match", "give one").rest(
            "PATCH",
            SEED,
            &[("if-match", "\"3\"")],
            body("2"),
        ),
        row("a stale version of a player", Code::VersionConflict, "", "at version 1, expected 9")
            .rest("PUT", "/player/seed?expectedVersion=9", &[], "{}"),
    ]
}

fn times() -> Vec<Row> {
    let at = |seconds| pb::GetAggregateRequest {
        at_time: Some(Timestamp { seconds, nanos: 0 }),
        ..read("economy", "seed")
    };
    vec![
        row("a time before birth", Code::OutOfHistory, "atTime", "accepts an instant from 20")
            .grpc(move |mut c| async move { c.get_aggregate(at(1_000_000_000)).await })
            .get(format!("{SEED}?atTime=2001-09-09T01:46:40Z")),
        row("a time before 1970", Code::OutOfHistory, "atTime", "to now")
            .grpc(move |mut c| async move { c.get_aggregate(at(-1)).await })
            .get(format!("{SEED}?atTime=1969-12-31T23:59:59Z")),
        row("a time after now", Code::OutOfHistory, "atTime", "to now")
            .grpc(move |mut c| async move { c.get_aggregate(at(33_000_000_000)).await })
            .get(format!("{SEED}?atTime=3015-09-25T02:40:00Z")),
        row("a time beyond the calendar", Code::InvalidArgument, "atTime", "")
            .grpc(move |mut c| async move { c.get_aggregate(at(i64::MAX)).await })
            .get(format!("{SEED}?atTime=10000-01-01T00:00:00Z")),
        row("a time that is text", Code::InvalidArgument, "atTime", "")
            .get(format!("{SEED}?atTime=yesterday")),
        row("a time and a version", Code::InvalidArgument, "atTime", "not both")
            .grpc(move |mut c| async move {
                c.get_aggregate(pb::GetAggregateRequest { version: Some(1), ..at(1) }).await
            })
            .get(format!("{SEED}?atTime=1970-01-01T00:00:01Z&version=1")),
        row("a time of nothing", Code::NotFound, "", "does not exist")
            .grpc(move |mut c| async move {
                c.get_aggregate(pb::GetAggregateRequest { id: "nobody".to_owned(), ..at(1) }).await
            })
            .get("/aggregates/economy/nobody?atTime=1970-01-01T00:00:01Z"),
    ]
}

fn rollbacks() -> Vec<Row> {
    let back = |id: &str, target| pb::RollbackAggregateRequest {
        r#type: "economy".to_owned(),
        id: id.to_owned(),
        target,
        ..Default::default()
    };
    let time = |seconds| Some(Target::ToTime(Timestamp { seconds, nanos: 0 }));
    let rest = |row: Row, id: &str, body: &str| {
        row.rest("POST", format!("/aggregates/economy/{id}:rollback"), &[], body)
    };
    let future = row("a rollback to the future", Code::OutOfHistory, "toVersion", "accepts 0 to 3")
        .grpc(move |mut c| async move {
            c.rollback_aggregate(back("seed", Some(Target::ToVersion(4)))).await
        });
    let negative = row("a rollback to version −1", Code::InvalidArgument, "toVersion", VERSION)
        .grpc(move |mut c| async move {
            c.rollback_aggregate(back("seed", Some(Target::ToVersion(-1)))).await
        });
    let nothing = row("a rollback of nothing", Code::NotFound, "", "does not exist").grpc(
        move |mut c| async move {
            c.rollback_aggregate(back("nobody", Some(Target::ToVersion(1)))).await
        },
    );
    let nowhere =
        row("a rollback to nowhere", Code::InvalidArgument, "target", "toVersion, toTime")
            .grpc(move |mut c| async move { c.rollback_aggregate(back("seed", None)).await });
    let later = row("a rollback to a time to come", Code::OutOfHistory, "toTime", "to now").grpc(
        move |mut c| async move { c.rollback_aggregate(back("seed", time(33_000_000_000))).await },
    );
    let earlier =
        row("a rollback to before birth", Code::OutOfHistory, "toTime", "an instant from")
            .grpc(move |mut c| async move { c.rollback_aggregate(back("seed", time(1))).await });
    vec![
        rest(future, "seed", r#"{"toVersion": "4"}"#),
        rest(negative, "seed", r#"{"toVersion": -1}"#),
        rest(nothing, "nobody", r#"{"toVersion": 1}"#),
        rest(nowhere, "seed", "{}"),
        rest(later, "seed", r#"{"toTime": "3015-09-25T02:40:00Z"}"#),
        rest(earlier, "seed", r#"{"toTime": "1970-01-01T00:00:01Z"}"#),
    ]
}

fn events() -> pb::ListEventsRequest {
    pb::ListEventsRequest {
        r#type: "economy".to_owned(),
        id: "seed".to_owned(),
        ..Default::default()
    }
}

fn pages() -> Vec<Row> {
    let list = |page_size| pb::ListAggregatesRequest {
        r#type: "economy".to_owned(),
        page_size,
        ..Default::default()
    };
    let limit = |limit| pb::ListEventsRequest { limit, ..events() };
    let offset = pb::ListEventsRequest { offset: -1, ..events() };
    vec![
        row("a page of −1", Code::InvalidArgument, "pageSize", "accepts 1 to 1000, or 0 for 50")
            .grpc(move |mut c| async move { c.list_aggregates(list(-1)).await })
            .get("/aggregates/economy?pageSize=-1"),
        row("a page of 10^9", Code::InvalidArgument, "pageSize", "accepts 1 to 1000, or 0 for 50")
            .grpc(move |mut c| async move { c.list_aggregates(list(1_000_000_000)).await })
            .get("/aggregates/economy?pageSize=1000000000"),
        row("a page of 2^31", Code::InvalidArgument, "pageSize", "")
            .get("/aggregates/economy?pageSize=2147483648"),
        row("a limit of −1", Code::InvalidArgument, "limit", "accepts 1 to 10000")
            .grpc(move |mut c| async move { c.list_events(limit(-1)).await })
            .get(format!("{SEED}/events?limit=-1")),
        row("a limit of 10^9", Code::InvalidArgument, "limit", "accepts 1 to 10000")
            .grpc(move |mut c| async move { c.list_events(limit(1_000_000_000)).await })
            .get(format!("{SEED}/events?limit=1000000000")),
        row("an offset of −1", Code::InvalidArgument, "offset", "0 and above")
            .grpc(|mut c| async move { c.list_events(offset).await })
            .get(format!("{SEED}/events?offset=-1")),
    ]
}
