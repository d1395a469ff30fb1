//! Requests of a client that a certificate has named.

use std::convert::Infallible;

use futures::future::Either;
use gamemesh_rpc::tls::PeerIdentity;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;

/// A service whose requests are answered as those of one client.
pub(crate) struct Identified<S> {
    service: S,
    peer: Option<PeerIdentity>,
}

impl<S> Identified<S> {
    pub(crate) const fn new(service: S, peer: Option<PeerIdentity>) -> Self {
        Self { service, peer }
    }
}

impl<S, B> Service<Request<Incoming>> for Identified<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Either<
        S::Future,
        std::pin::Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>,
    >;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let call = || self.service.call(request);
        match &self.peer {
            None => Either::Left(call()),
            Some(peer) => Either::Right(Box::pin(peer.clone().scope(call))),
        }
    }
}
