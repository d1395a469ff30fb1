//! Which gRPC service a path belongs to.
//!
//! A path of gRPC is `/package.Service/Method`, so one look-up of the middle part finds the service:
//! no patterns, and no body or future boxed a second time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;

/// What a generated server answers with.
pub type Answered = BoxFuture<'static, Result<Response<Body>, Infallible>>;

type Server = Arc<dyn Fn(Request<Body>) -> Answered + Send + Sync>;

/// The gRPC services of a process, by name. It is itself a tower service; cheap to clone.
#[derive(Clone, Default)]
pub struct Routes(Arc<HashMap<&'static str, Server>>);

/// [`Routes`] while services are still added.
#[derive(Default)]
pub struct RoutesBuilder(HashMap<&'static str, Server>);

impl RoutesBuilder {
    /// Adds a generated server.
    pub fn add<S>(&mut self, server: S)
    where
        S: tower::Service<
                Request<Body>,
                Response = Response<Body>,
                Error = Infallible,
                Future = Answered,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        // Generated servers are always ready.
        self.0.insert(S::NAME, Arc::new(move |request| server.clone().call(request)));
    }

    pub fn build(self) -> Routes {
        Routes(Arc::new(self.0))
    }
}

impl<B> tower::Service<Request<B>> for Routes
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Answered, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match service_of(request.uri().path()).and_then(|name| self.0.get(name)) {
            Some(server) => Either::Left(server(request.map(Body::new))),
            None => Either::Right(std::future::ready(Ok(unimplemented(request.uri().path())))),
        }
    }
}

/// `a.B` of `/a.B/Method`.
fn service_of(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split_once('/').map(|(service, _)| service)
}

fn unimplemented(path: &str) -> Response<Body> {
    Status::unimplemented(format!("no service here has the method {path}")).into_http()
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for RoutesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_stands_in_the_path() {
        let table = [
            ("/a.b.C/Get", Some("a.b.C")),
            ("/a.b.C/Get/more", Some("a.b.C")),
            ("/a.b.C/", Some("a.b.C")),
            ("/a.b.C", None),
            ("//Get", Some("")),
            ("a.b.C/Get", None),
            ("", None),
        ];
        for (path, expected) in table {
            assert_eq!(service_of(path), expected, "{path}");
        }
    }
}
