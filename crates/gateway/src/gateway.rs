//! From an HTTP request to the answer of an RPC.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use gamemesh_rpc::edge::Connection;
use gamemesh_rpc::error::{Code, Error, to_status};
use gamemesh_rpc::websocket::is_upgrade;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use prost_reflect::DescriptorPool;
use tonic::Status;

use crate::docs::Docs;
use crate::memo::Memo;
use crate::request::{self, Bound, Target};
use crate::schema::Schema;
use crate::stream::{self, Form};
use crate::table::{Row, Table};
use crate::template::Path;
use crate::upstream::{self, Fault, Outgoing, Upstream};
use crate::{
    GatewayConfig, GatewayError, metadata, openapi, raw, single, status, unary, upload, websocket,
};

/// Serves the RPCs of a descriptor set over HTTP and JSON.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) schema: Schema,
    pub(crate) table: Table,
    pub(crate) upstream: Upstream,
    pub(crate) config: GatewayConfig,
    memo: Memo,
    openapi: serde_json::Value,
    docs: Docs,
}

impl Gateway {
    /// Reads an encoded `FileDescriptorSet` with its imports. Two rules for the same paths are an error
    /// that names both RPCs; a malformed template is one that names its RPC.
    pub fn new(
        descriptor_set: &[u8],
        upstream: Upstream,
        config: GatewayConfig,
    ) -> Result<Self, GatewayError> {
        let pool = DescriptorPool::decode(descriptor_set)?;
        let schema = Schema::compile(&pool);
        let table = Table::build(&pool, &schema, config.skips_bad_rules)?;
        let openapi = openapi::document(&schema, &table, &config);
        let docs = Docs::new(&openapi);
        let memo = Memo::new(config.memo_bytes_max);
        let shared = Shared { schema, table, upstream, config, memo, openapi: openapi.value, docs };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// All routes, and every refusal of a path that is none.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(&self.shared))
    }

    /// One line for each rule, sorted: method, template, RPC, body and response body.
    pub fn routes_txt(&self) -> String {
        self.shared.table.listing(&self.shared.schema)
    }

    /// The OpenAPI 3.0.3 document that `/openapi.json` serves.
    pub fn openapi(&self) -> serde_json::Value {
        self.shared.openapi.clone()
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let response = match shared.dispatch(request).await {
        Ok(response) => response,
        Err(status) => status::response(&shared.schema, &status),
    };
    if head { unary::without_body(response) } else { response }
}

impl Shared {
    async fn dispatch(self: &Arc<Self>, request: Request) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        if is_upgrade(&parts.method, &parts.headers) {
            return self.websocket(parts).await;
        }
        let Some(path) = Path::split(parts.uri.path()) else {
            request::read_out(body).await;
            return Ok(self.unknown(&parts.uri));
        };
        let Some((row, path)) = self.table.find(&parts.method, &path) else {
            request::read_out(body).await;
            return Ok(self.unmatched(&parts, &path));
        };
        let target = Target { row, path, query: parts.uri.query().unwrap_or("") };
        if row.rpc.client_streaming {
            return self.upload(row, &target, &parts, body).await;
        }
        let bound = match Bound::of(&self.schema, &target) {
            Ok(bound) => bound,
            Err(error) => {
                request::read_out(body).await;
                return Err(refuse(error));
            }
        };
        let connection = parts.extensions.get().cloned();
        if body.is_end_stream() && request::announced_length(&parts.headers).is_none_or(|n| n == 0)
        {
            let message = self.framed(row, b"", &bound).map_err(refuse)?;
            let body = tonic::body::Body::new(http_body_util::Full::from(message));
            return self.call(row, &parts.headers, connection, body, None).await;
        }
        let headers = &parts.headers;
        let later = single::Later::new(self, row, bound, headers, body, connection.clone());
        let (message, fault, unread) = later.into_parts();
        let answer = self.call(row, &parts.headers, connection, message, Some(fault)).await;
        // Nobody has asked for the body of a call that was refused from its headers.
        if answer.is_err()
            && let Some(body) = unread.take()
        {
            request::read_out(body).await;
        }
        answer
    }

    /// Calls with a stream of messages from the body.
    async fn upload(
        self: &Arc<Self>,
        row: &Arc<Row>,
        target: &Target<'_>,
        parts: &Parts,
        body: Body,
    ) -> Result<Response<Body>, Status> {
        let headers = &parts.headers;
        let begun = upload::Form::of(row, headers)
            .and_then(|form| Ok((form, Bound::of(&self.schema, target)?)));
        let (form, bound) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                request::read_out(body).await;
                return Err(refuse(error));
            }
        };
        let connection: Option<Arc<Connection>> = parts.extensions.get().cloned();
        let (shared, row_of) = (Arc::clone(self), Arc::clone(row));
        let (body, fault) = upload::messages(shared, row_of, bound, body, connection.clone(), form);
        self.call(row, headers, connection, body, Some(fault)).await
    }

    async fn call(
        self: &Arc<Self>,
        row: &Arc<Row>,
        headers: &HeaderMap,
        connection: Option<Arc<Connection>>,
        body: tonic::body::Body,
        fault: Option<Fault>,
    ) -> Result<Response<Body>, Status> {
        let (metadata, timeout) = metadata::from_headers(headers).map_err(refuse)?;
        let streams = row.rpc.server_streaming;
        let unary = !streams && !row.rpc.client_streaming;
        let timeout = timeout.or(unary.then_some(self.config.unary_timeout));
        let max = self.config.response_bytes_max;
        let outgoing = Outgoing { metadata, connection, body, timeout, fault };
        let call = upstream::call(&self.upstream, &row.rpc, outgoing, max).await?;
        if streams && row.raw_answer {
            return raw::answer(Arc::clone(self), Arc::clone(row), call).await;
        }
        if streams {
            return Ok(stream::answer(
                Arc::clone(self),
                Arc::clone(row),
                call,
                Form::accepted(headers),
            ));
        }
        unary::answer(&self.schema, &self.memo, row, call).await
    }

    async fn websocket(self: &Arc<Self>, parts: Parts) -> Result<Response<Body>, Status> {
        let uri = parts.uri.clone();
        let found = Path::split(uri.path()).and_then(|path| self.table.find_any(&path));
        let Some((row, path)) = found else { return Ok(self.unknown(&uri)) };
        let target = Target { row, path, query: uri.query().unwrap_or("") };
        websocket::accept(self, row, &target, parts).await.map_err(refuse)
    }

    /// No rule has this method and path: it may be a document, or the path may have other methods.
    fn unmatched(&self, parts: &Parts, path: &Path<'_>) -> Response<Body> {
        let mut allowed = self.table.allowed(path);
        if allowed.is_empty()
            && let Some(document) = self.docs.get(parts.uri.path(), &parts.headers)
        {
            if matches!(parts.method, Method::GET | Method::HEAD) {
                return document;
            }
            allowed = vec!["GET", "HEAD", "OPTIONS"];
        }
        if allowed.is_empty() {
            return self.unknown(&parts.uri);
        }
        let allow = HeaderValue::try_from(allowed.join(", "))
            .unwrap_or(HeaderValue::from_static("OPTIONS"));
        let mut response = if parts.method == Method::OPTIONS {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        } else {
            let what =
                format!("{} is not a method of this path: {}", parts.method, allowed.join(", "));
            status::refusal(&self.schema, &Error::new(Code::MethodNotAllowed, what))
        };
        response.headers_mut().insert(header::ALLOW, allow);
        response
    }

    fn unknown(&self, uri: &http::Uri) -> Response<Body> {
        let what = format!("no route has the path {:?}", uri.path());
        status::refusal(&self.schema, &Error::new(Code::UnknownPath, what))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err, which gives the value")]
fn refuse(error: Error) -> Status {
    to_status(&error)
}
