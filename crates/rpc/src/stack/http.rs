//! The stack in front of the services' own HTTP routes: the same layers in the same order.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures::{FutureExt as _, StreamExt as _};
use gamemesh_domain::{Code, Error};
use tracing::{Instrument as _, Span};

use super::{Admitted, Endless, Stack, Terms};
use crate::auth::Permit;
use crate::deadline;
use crate::edge::Connection;
use crate::error::to_http;
use crate::http_route::{Access, HttpRoutes};
use crate::lifecycle::Lifecycle;
use crate::limit::Slot;
use crate::metrics::{HttpFamilies, OpenSocket};
use crate::telemetry;
use crate::trace::{CORRELATION_HEADER, Correlation};
use crate::websocket::{Protocols, is_upgrade};

/// The route of a path that axum does not name, which is that of a nested service.
const UNNAMED: &str = "unnamed";

/// Asks for the token of a caller who did not send it with the request. The handler finds it as an
/// extension where [`Access::later`] was declared.
#[derive(Debug, Clone)]
pub struct PendingAuthentication {
    stack: Stack,
    terms: Terms,
    connection: Option<Arc<Connection>>,
}

impl PendingAuthentication {
    /// The permit of the token's holder, whose role and rate are checked as they would have been with
    /// the request. A handler that is refused closes the connection: it does not ask again.
    pub fn authenticate(&self, token: &str) -> Result<Permit, Error> {
        let shared = &self.stack.0;
        let permit = shared.authenticator.verify(token)?;
        shared.check(self.terms, &permit, self.connection.as_deref(), false)?;
        Ok(permit)
    }
}

/// What the session of a WebSocket takes along from its request.
#[derive(Debug, Clone)]
pub(crate) struct RouteContext {
    pub(crate) correlation: Correlation,
    pub(crate) lifecycle: Lifecycle,
    route: Arc<str>,
    families: HttpFamilies,
}

impl RouteContext {
    /// Counts the session as open until it is dropped.
    pub(crate) fn opened(&self) -> OpenSocket {
        self.families.socket(&self.route)
    }
}

impl Stack {
    /// Puts the stack in front of a service's own routes. Paths that it does not know pass by.
    pub fn guard(&self, routes: HttpRoutes) -> Router {
        let HttpRoutes { access, router } = routes;
        if !router.has_routes() {
            return router;
        }
        let bytes_max = self.0.request_bytes_max;
        router
            .method_not_allowed_fallback(async || {
                to_http(&Error::new(Code::MethodNotAllowed, "this path has other methods"))
            })
            .route_layer(DefaultBodyLimit::max(bytes_max))
            .route_layer(from_fn_with_state((self.clone(), access), pass))
            .reset_fallback()
    }
}

async fn pass(
    State((stack, access)): State<(Stack, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let shared = &stack.0;
    let matched = request.extensions().get::<MatchedPath>();
    let route: Arc<str> = matched.map_or(UNNAMED, MatchedPath::as_str).into();
    let correlation = Correlation::from_headers(request.headers());
    let (correlation, span) =
        telemetry::enter_route(&shared.tracing, request.method(), &route, correlation);
    let observation = shared.http.begin(&route, request.method());

    if is_upgrade(request.method(), request.headers()) {
        Protocols::offered(&request.headers().clone()).authorize(request.headers_mut());
    }
    let class = access.class_of(request.method());
    let (roles, is_later) = (access.roles, access.is_later);
    let terms = Terms { class, roles, is_later, is_stream: false };
    let span_of_call = span.clone().unwrap_or_else(Span::none);
    let id = correlation.header_value();
    let answer = correlation.clone().scope(async {
        let admitted = shared
            .admit(terms, &mut request)
            .inspect_err(|error| shared.note(error, &route, &request))?;
        let extensions = request.extensions_mut();
        if access.is_later {
            let connection = extensions.get().cloned();
            extensions.insert(PendingAuthentication { stack: stack.clone(), terms, connection });
        }
        extensions.insert(correlation.clone());
        extensions.insert(RouteContext {
            correlation: correlation.clone(),
            lifecycle: shared.lifecycle.clone(),
            route: route.clone(),
            families: shared.http.clone(),
        });
        handle(admitted, request, next).await
    });
    let mut response = match answer.instrument(span_of_call).await {
        Ok(response) => ending_with(response, &shared.lifecycle),
        Err(error) => correlation.enter_sync(|| to_http(&error)),
    };
    response.headers_mut().insert(CORRELATION_HEADER, id);
    observation.end(response.status());
    if let Some(span) = span {
        telemetry::leave_route(&span, response.status());
    }
    response
}

async fn handle(admitted: Admitted, request: Request, next: Next) -> Result<Response, Error> {
    // What such a handler reads of a body, it reads itself: the request is what arrives.
    let slot = admitted.place.map(|place| place.arrived().map(|()| Slot::of(place))).transpose()?;
    // A defect in one handler must not take the connection's other requests along.
    let handler = AssertUnwindSafe(next.run(request)).catch_unwind();
    let handled = match admitted.timeout {
        None => handler.await,
        Some(timeout) => {
            tokio::time::timeout(timeout, handler).await.map_err(|_| deadline::exceeded())?
        }
    };
    if let Some(slot) = slot {
        slot.done();
    }
    handled.map_err(|_| Error::internal("the handler panicked"))
}

/// A body without an end of its own ends when a drain begins.
fn ending_with(response: Response, lifecycle: &Lifecycle) -> Response {
    if response.extensions().get::<Endless>().is_none() {
        return response;
    }
    let draining = lifecycle.draining().clone();
    response.map(|body| {
        let until = body.into_data_stream().take_until(draining.cancelled_owned());
        axum::body::Body::from_stream(until)
    })
}
