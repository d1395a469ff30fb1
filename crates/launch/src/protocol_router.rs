//! One port, several protocols: the content type decides.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use futures::TryFutureExt as _;
use futures::future::BoxFuture;
use gamemesh_rpc::edge::{AddressPlace, Connection};
use gamemesh_rpc::error::{Error, to_http, to_status};
use gamemesh_rpc::websocket::is_upgrade;
use http::{HeaderMap, Request, Response, Version, header};
use http_body_util::{BodyExt as _, Either};
use hyper::body::Incoming;
use tower::Service as _;

use crate::assemble::Upstream;
use crate::web::Web;

type Body = Either<tonic::body::Body, axum::body::Body>;

/// The service of the one port.
#[derive(Clone)]
pub(crate) struct ProtocolRouter {
    grpc: Upstream,
    web: Arc<Web>,
}

/// What a content type asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    GrpcWeb,
    Rest,
}

impl Protocol {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Self::Rest };
        match kind.as_bytes().strip_prefix(b"application/grpc") {
            Some(rest) if rest.starts_with(b"-web") => Self::GrpcWeb,
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            _ => Self::Rest,
        }
    }
}

impl ProtocolRouter {
    pub(crate) fn new(
        grpc: Upstream,
        rest: Router,
        cors: &gamemesh_rpc::config::CorsOrigins,
    ) -> Self {
        let web = Arc::new(Web::new(grpc.clone(), rest, cors));
        Self { grpc, web }
    }
}

impl hyper::service::Service<Request<Incoming>> for ProtocolRouter {
    type Response = Response<Body>;
    type Error = Infallible;
    /// Boxed: a stream's task lasts as long as its body, and would keep room for the call.
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let behind = match behind(&request) {
            Ok(behind) => behind,
            Err(error) => return Box::pin(std::future::ready(Ok(refused(&request, &error)))),
        };
        let answer = self.answer(request);
        match behind {
            None => answer,
            Some(place) => Box::pin(answer.map_ok(|answer| answer.map(|body| placed(body, place)))),
        }
    }
}

/// The place of whom a proxy stands for.
fn behind(request: &Request<Incoming>) -> Result<Option<AddressPlace>, Error> {
    let Some(connection) = request.extensions().get::<Arc<Connection>>() else { return Ok(None) };
    let place = connection.forwarded_place(request.headers())?;
    Ok(match place {
        Some(place) if is_upgrade(request.method(), request.headers()) => {
            // The connection becomes one WebSocket, whose answer ends at once.
            connection.keep(place);
            None
        }
        place => place,
    })
}

/// A body that has a place until it ends.
fn placed(body: Body, place: AddressPlace) -> Body {
    let body = axum::body::Body::new(body).map_frame(move |frame| {
        let _held = &place;
        frame
    });
    Either::Right(axum::body::Body::new(body))
}

fn refused(request: &Request<Incoming>, error: &Error) -> Response<Body> {
    match Protocol::of(request.headers()) {
        Protocol::Rest => to_http(error).map(Either::Right),
        Protocol::Grpc | Protocol::GrpcWeb => to_status(error).into_http().map(Either::Left),
    }
}

impl ProtocolRouter {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response<Body>, Infallible>> {
        // Native gRPC goes straight to the stack. Over HTTP/1 it cannot work, and the web side says so.
        if request.version() == Version::HTTP_2 && Protocol::of(request.headers()) == Protocol::Grpc
        {
            Box::pin(self.grpc.clone().call(request).map_ok(|answer| answer.map(Either::Left)))
        } else {
            let web = Arc::clone(&self.web);
            Box::pin(web.call(request).map_ok(|answer| answer.map(Either::Right)))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_content_type_decides() {
        let table = [
            ("application/grpc", Protocol::Grpc),
            ("application/grpc+proto", Protocol::Grpc),
            ("application/grpc;charset=utf-8", Protocol::Grpc),
            ("application/grpc-web", Protocol::GrpcWeb),
            ("application/grpc-web-text+proto", Protocol::GrpcWeb),
            ("application/grpcx", Protocol::Rest),
            ("application/json", Protocol::Rest),
            ("", Protocol::Rest),
        ];
        for (kind, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(Protocol::of(&headers), expected, "{kind}");
        }
        assert_eq!(Protocol::of(&HeaderMap::new()), Protocol::Rest);
    }
}
