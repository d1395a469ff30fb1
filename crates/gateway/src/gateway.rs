//! From an HTTP request to the answer of an RPC.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use gamemesh_rpc::error::{Code, Error};
use http::{HeaderValue, Method, Response, StatusCode, header};
use prost_reflect::DescriptorPool;
use tonic::Status;

use crate::request::{self, Target};
use crate::schema::Schema;
use crate::table::Table;
use crate::template::Path;
use crate::upstream::{self, Upstream};
use crate::{GatewayConfig, GatewayError, metadata, status, unary};

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
        let table = Table::build(&pool, &schema)?;
        Ok(Self { shared: Arc::new(Shared { schema, table, upstream, config }) })
    }

    /// All routes, and every refusal of a path that is none.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(&self.shared))
    }

    /// One line for each rule, sorted: method, template, RPC, body and response body.
    pub fn routes_txt(&self) -> String {
        self.shared.table.listing(&self.shared.schema)
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
        let Some(path) = Path::split(parts.uri.path()) else { return Ok(self.unknown(&parts.uri)) };
        let Some((row, path)) = self.table.find(&parts.method, &path) else {
            return Ok(self.unmatched(&parts.method, &parts.uri, &path));
        };
        let target = Target { row, path, query: parts.uri.query().unwrap_or("") };
        let (metadata, timeout) = metadata::from_headers(&parts.headers).map_err(refuse)?;

        request::check_length(&parts.headers, self.config.body_bytes_max).map_err(refuse)?;
        let body = request::read_body(body, self.config.body_bytes_max).await.map_err(refuse)?;
        if !body.is_empty() {
            request::check_content_type(&parts.headers, false).map_err(refuse)?;
        }
        let limits = request::limits(&self.config);
        let mut message = Vec::with_capacity(64 + body.len());
        message.resize(upstream::FRAME_HEADER_BYTES, 0);
        request::put_request(&self.schema, &target, &body, limits, &mut message).map_err(refuse)?;
        upstream::finish_frame(&mut message).map_err(refuse)?;

        let body = tonic::body::Body::new(http_body_util::Full::from(message));
        let timeout = Some(timeout.unwrap_or(self.config.unary_timeout));
        let max = self.config.response_bytes_max;
        let call = upstream::call(&self.upstream, &row.rpc, metadata, body, timeout, max).await?;
        unary::answer(&self.schema, row, call).await
    }

    /// No rule has this method and path: the path may have others.
    fn unmatched(&self, method: &Method, uri: &http::Uri, path: &Path<'_>) -> Response<Body> {
        let allowed = self.table.allowed(path);
        if allowed.is_empty() {
            return self.unknown(uri);
        }
        let allow = HeaderValue::try_from(allowed.join(", "))
            .unwrap_or(HeaderValue::from_static("OPTIONS"));
        let mut response = if method == Method::OPTIONS {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        } else {
            let what = format!("{method} is not a method of this path: {}", allowed.join(", "));
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

fn refuse(error: Error) -> Status {
    gamemesh_rpc::error::to_status(&error)
}
