//! One row of the table, and how it is checked.

use futures::future::{BoxFuture, FutureExt as _};
use gamemesh_domain::Code;
use serde_json::Value as Json;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::it::calls::{fields, reason};
use crate::it::world::{Client, World};

type Call = Box<dyn FnOnce(Client) -> BoxFuture<'static, Result<(), Status>> + Send>;

pub(super) struct Row {
    pub(super) what: &'static str,
    code: Code,
    /// The field that the error names; empty for none.
    field: &'static str,
    /// A part of what the error says.
    says: &'static str,
    grpc: Option<Call>,
    rest: Option<Rest>,
}

struct Rest {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

pub(super) fn row(what: &'static str, code: Code, field: &'static str, says: &'static str) -> Row {
    Row { what, code, field, says, grpc: None, rest: None }
}

impl Row {
    pub(super) fn grpc<F, T>(mut self, call: impl FnOnce(Client) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Response<T>, Status>> + Send + 'static,
        T: 'static,
    {
        self.grpc = Some(Box::new(|client| call(client).map(|answer| answer.map(|_| ())).boxed()));
        self
    }

    /// A request without a body.
    pub(super) fn get(self, path: impl Into<String>) -> Self {
        self.rest("GET", path, &[], "")
    }

    /// A JSON body, below `/api/v1/state`.
    pub(super) fn rest(
        mut self,
        method: &'static str,
        path: impl Into<String>,
        headers: &[(&'static str, &'static str)],
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let path = format!("/api/v1/state{}", path.into());
        let body = body.into();
        let mut headers = headers.to_vec();
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        self.rest = Some(Rest { method, path, headers, body });
        self
    }

    /// What is wrong about the answers.
    pub(super) async fn check(self, world: &World, client: &Client) -> Vec<String> {
        let Self { what, code, field, says, grpc, rest } = self;
        let mut wrong = Vec::new();
        if let Some(call) = grpc {
            match call(client.clone()).await {
                Ok(()) => wrong.push(format!("{what}: accepted over gRPC")),
                Err(status) => wrong.extend(over_grpc(what, code, field, says, &status)),
            }
        }
        if let Some(Rest { method, path, headers, body }) = rest {
            let answer = world.http(method, &path, &headers, body).await;
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            match serde_json::from_slice(&answer.body) {
                Ok(error) => {
                    wrong.extend(over_rest(what, code, field, says, answer.status, &error));
                }
                Err(_) => wrong.push(format!("{what}: over REST {} {told:?}", answer.status)),
            }
        }
        wrong
    }
}

fn over_grpc(what: &str, code: Code, field: &str, says: &str, status: &Status) -> Option<String> {
    let expected = gamemesh_rpc::error::row(code).grpc;
    let descriptions: Vec<String> = status
        .get_details_bad_request()
        .map(|request| request.field_violations)
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.description)
        .collect();
    let said = format!("{} {}", status.message(), descriptions.join(" "));
    let right = status.code() == expected
        && reason(status) == code.reason()
        && named(&fields(status), field)
        && said.contains(says);
    (!right).then(|| format!("{what}: over gRPC {status:?}"))
}

fn over_rest(
    what: &str,
    code: Code,
    field: &str,
    says: &str,
    status: u16,
    error: &Json,
) -> Option<String> {
    let row = gamemesh_rpc::error::row(code);
    let detail = |name: &str| {
        let name = format!("type.googleapis.com/google.rpc.{name}");
        error["details"].as_array().unwrap().iter().find(|detail| detail["@type"] == *name)
    };
    let violations = detail("BadRequest").and_then(|detail| detail["fieldViolations"].as_array());
    let violations = violations.cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let fields: Vec<String> =
        violations.iter().map(|violation| text(&violation["field"])).collect();
    let said = violations.iter().map(|violation| text(&violation["description"]));
    let said = said.fold(text(&error["message"]), |said, more| format!("{said} {more}"));
    let right = status == row.http
        && error["code"] == row.grpc as i32
        && detail("ErrorInfo").is_some_and(|info| info["reason"] == code.reason())
        && named(&fields, field)
        && said.contains(says);
    (!right).then(|| format!("{what}: over REST {status} {error}"))
}

fn named(fields: &[String], field: &str) -> bool {
    // A violation of the whole state names no field.
    if field.is_empty() { fields.concat().is_empty() } else { fields == [field] }
}
