//! What browsers and scripts send: REST, WebSocket and gRPC-Web, with CORS in front.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use gamemesh_domain::{Code, Error};
use gamemesh_rpc::config::CorsOrigins;
use gamemesh_rpc::error::to_http;
use gamemesh_rpc::stream_cookie;
use gamemesh_rpc::trace::{CORRELATION_HEADER, Correlation};
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::assemble::Upstream;
use crate::framing;
use crate::protocol_router::Protocol;

/// How long a browser may remember what it is allowed.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// Headers that scripts of other origins may read.
const EXPOSED: [HeaderName; 12] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    CORRELATION_HEADER,
    header::ETAG,
    header::RETRY_AFTER,
    header::LOCATION,
    HeaderName::from_static("x-state-version"),
    HeaderName::from_static("x-state-age-ms"),
    HeaderName::from_static("x-state-tier"),
    HeaderName::from_static("x-state-token"),
    HeaderName::from_static("x-state-repeated"),
];

pub(crate) struct Web {
    grpc_web: GrpcWebService<Upstream>,
    rest: Router,
    cors: Option<CorsLayer>,
}

impl Web {
    pub(crate) fn new(grpc: Upstream, rest: Router, origins: &CorsOrigins) -> Self {
        Self { grpc_web: GrpcWebLayer::new().layer(grpc), rest, cors: cors(origins) }
    }

    pub(crate) async fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        match &self.cors {
            Some(cors) if request.headers().contains_key(header::ORIGIN) => {
                let web = Arc::clone(&self);
                let inner = tower::service_fn(move |request| Arc::clone(&web).answer(request));
                cors.layer(inner).oneshot(request).await
            }
            // No browser asks, so nothing is said about origins; a cache must not answer one with it.
            Some(_) => {
                let mut response = self.answer(request).await?;
                response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
                Ok(response)
            }
            None => self.answer(request).await,
        }
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        if let Err(error) = framing::check(&request) {
            let mut refusal = to_http(&error);
            // What else comes on this connection may be a part of what is refused.
            refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return Ok(refusal);
        }
        match Protocol::of(request.headers()) {
            Protocol::GrpcWeb => {
                let response = self.grpc_web.clone().call(request).await?;
                Ok(response.map(Body::new))
            }
            Protocol::Grpc => Ok(to_http(&Error::new(
                Code::UnsupportedMediaType,
                "gRPC needs HTTP/2; over HTTP/1.1 use REST or application/grpc-web",
            ))),
            Protocol::Rest => {
                // The gateway passes the id on to the call behind, so both have the same one.
                let correlation = Correlation::from_headers(request.headers());
                let id = correlation.header_value();
                request.headers_mut().insert(CORRELATION_HEADER, id.clone());
                stream_cookie::authorize(&request.method().clone(), request.headers_mut());
                let mut response = correlation.scope(self.rest.clone().call(request)).await?;
                response.headers_mut().entry(CORRELATION_HEADER).or_insert(id);
                Ok(response)
            }
        }
    }
}

fn cors(origins: &CorsOrigins) -> Option<CorsLayer> {
    // Pages of a named origin may send the cookie of their streams.
    let has_credentials = matches!(origins, CorsOrigins::Only(_));
    let allowed = match origins {
        CorsOrigins::None => return None,
        CorsOrigins::Any => AllowOrigin::any(),
        CorsOrigins::Only(list) => {
            AllowOrigin::list(list.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
        }
    };
    let methods =
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_credentials(has_credentials)
            .allow_methods(methods)
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED)
            .max_age(PREFLIGHT_AGE),
    )
}
