//! Rows of rule, request and expectation, and what runs them against both upstreams.

use serde_json::Value;

use super::world::World;

pub(super) struct Case {
    pub(super) line: &'static str,
    pub(super) body: &'static str,
    pub(super) want: Want,
}

pub(super) enum Want {
    /// 200, and at least these members.
    Json(&'static str),
    /// 200, and this text to the byte.
    Text(&'static str),
    /// 200 from this RPC, with this name.
    Rpc(&'static str, &'static str),
    /// The HTTP status, the reason, and a part of the message.
    Refused(u16, &'static str, &'static str),
}

pub(super) const fn ok(line: &'static str, body: &'static str, json: &'static str) -> Case {
    Case { line, body, want: Want::Json(json) }
}

pub(super) const fn text(line: &'static str, body: &'static str, text: &'static str) -> Case {
    Case { line, body, want: Want::Text(text) }
}

pub(super) const fn rpc(line: &'static str, rpc: &'static str, name: &'static str) -> Case {
    Case { line, body: "", want: Want::Rpc(rpc, name) }
}

pub(super) const fn no(
    line: &'static str,
    body: &'static str,
    status: u16,
    reason: &'static str,
    part: &'static str,
) -> Case {
    Case { line, body, want: Want::Refused(status, reason, part) }
}

/// Runs every row, in process and over TCP.
pub(super) async fn run(cases: &[Case]) {
    let mut wrong = Vec::new();
    for (place, world) in [("near", World::near()), ("far", World::far().await)] {
        for case in cases {
            let answer = world.send(case.line, case.body).await;
            let problem = match &case.want {
                Want::Json(expected) => {
                    let expected: Value =
                        serde_json::from_str(expected).expect("the expectation is JSON");
                    let holds = answer.status == 200 && contains(&answer.json(), &expected);
                    (!holds).then(|| format!("expected {expected}"))
                }
                Want::Text(expected) => {
                    let holds = answer.status == 200 && answer.text() == *expected;
                    (!holds).then(|| format!("expected {expected}"))
                }
                Want::Rpc(rpc, name) => {
                    let holds = answer.status == 200
                        && answer.header("x-rpc") == *rpc
                        && answer.json()["name"] == *name;
                    (!holds).then(|| {
                        format!("expected {rpc} with {name:?}, from {:?}", answer.header("x-rpc"))
                    })
                }
                Want::Refused(status, reason, part) => {
                    let holds = answer.status == *status
                        && answer.reason() == *reason
                        && answer.json()["message"].as_str().is_some_and(|m| m.contains(part));
                    (!holds).then(|| format!("expected {status} {reason} {part:?}"))
                }
            };
            if let Some(problem) = problem {
                let shown: String = answer.text().chars().take(600).collect();
                wrong.push(format!(
                    "{place}: {} {}\n  {problem}\n  got {} {shown}",
                    case.line, case.body, answer.status
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows fail:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether every member of the expectation is there; lists are whole.
fn contains(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| actual.get(key).is_some_and(|found| contains(found, value))),
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && actual.iter().zip(expected).all(|(a, e)| contains(a, e))
        }
        _ => actual == expected,
    }
}
