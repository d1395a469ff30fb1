//! What a generated client stands on: the other service, with what goes along with each call.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use gamemesh_domain::{Code, Error};
use http::{HeaderValue, Request, Response, header};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::origin::{InProcess, Origin};
use super::{BoxError, Transport};
use crate::auth::Permit;
use crate::deadline;
use crate::error::to_status;
use crate::peer::{DeliveryFailure, chain};

/// The other service, near or far.
#[derive(Clone)]
pub struct PeerChannel {
    transport: Transport,
    origin: Origin,
    caller: Caller,
    role: Arc<str>,
}

/// Who calls. Within the process it is said beside the request, which nobody from outside can do.
#[derive(Clone)]
enum Caller {
    Near(Permit),
    Far(Option<HeaderValue>),
}

impl PeerChannel {
    pub(super) fn near(role: &str, transport: Transport, origin: Origin, caller: Permit) -> Self {
        Self { transport, origin, caller: Caller::Near(caller), role: role.into() }
    }

    pub(super) fn far(
        role: &str,
        transport: Transport,
        origin: Origin,
        authorization: Option<HeaderValue>,
    ) -> Self {
        Self { transport, origin, caller: Caller::Far(authorization), role: role.into() }
    }
}

impl Service<Request<Body>> for PeerChannel {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.transport.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        self.origin.put_deadline(request.headers_mut());
        self.origin.correlation.inject(request.headers_mut());
        match &self.caller {
            Caller::Near(permit) => {
                let on_behalf_of = self.origin.caller.clone();
                request.extensions_mut().insert(InProcess { permit: permit.clone(), on_behalf_of });
            }
            Caller::Far(authorization) => {
                if let Some(value) = authorization {
                    request.headers_mut().insert(header::AUTHORIZATION, value.clone());
                }
                if let Some(caller) = &self.origin.caller {
                    caller.put(request.headers_mut());
                }
            }
        }
        let role = self.role.clone();
        let call = self.transport.call(request);
        Box::pin(async move { call.await.or_else(|error| Ok(failed(&role, &*error).into_http())) })
    }
}

/// What a call comes to that has no answer: the same as if the answer had said it.
fn failed(role: &str, error: &(dyn StdError + 'static)) -> Status {
    if chain(error).any(|cause| cause.is::<tonic::TimeoutExpired>()) {
        return to_status(&deadline::exceeded());
    }
    // Whoever is told `no` may call again, whatever the method does.
    let delivered = match DeliveryFailure::by(error) {
        DeliveryFailure::NotSent => "no",
        DeliveryFailure::Lost => "unknown",
    };
    let refusal =
        Error::new(Code::DependencyUnavailable, format!("the service {role} does not answer"));
    to_status(&refusal.with_fact("delivered", delivered).with_context(error))
}

impl fmt::Debug for PeerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerChannel").field("origin", &self.origin).finish_non_exhaustive()
    }
}
