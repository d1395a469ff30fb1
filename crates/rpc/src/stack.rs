//! The layer stack: what happens to every call, in this order, before a handler sees it.
//!
//! It is one service and not seven nested ones: a call that passes costs two clones of a small
//! value, a map lookup and a few atomics, and is boxed once, for its response body. REST calls come
//! through the same stack, from the gateway, exactly once.

mod arriving;
mod call;
mod http;
mod refusal;
mod response;
mod watched;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::http::{Request, Response, header};
use gamemesh_domain::Error;
use tonic::body::Body;

use crate::auth::{Authenticator, Permit, Principal, Role, RoleSet};
use crate::config::{Environment, ServerConfig};
use crate::deadline::{self, Deadline};
use crate::edge::{Connection, Received};
use crate::forward::Instances;
use crate::lifecycle::Lifecycle;
use crate::limit::{InFlight, OpenStream, Place, Rates, Standing, Streams};
use crate::methods::{Class, Method, Methods};
use crate::metrics::{HttpFamilies, Metrics};
use crate::peers::{InProcess, OnBehalfOf, is_service};
use crate::refusals::{Refusals, Refused};
use crate::telemetry::{self, Tracing};
use crate::trace::Correlation;
use arriving::Arrival;
pub use arriving::Arriving;
pub use call::Call;
pub use http::PendingAuthentication;
pub(crate) use http::RouteContext;
pub use watched::{Endless, draining};

/// Everything the layers need; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stack(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    methods: Methods,
    tracing: Tracing,
    in_flight: InFlight,
    in_flight_player_max: usize,
    in_flight_server_max: usize,
    authenticator: Authenticator,
    rates: Rates,
    streams: Streams,
    refusals: Refusals,
    instances: Instances,
    lifecycle: Lifecycle,
    deadline_max: Duration,
    environment: Environment,
    http: HttpFamilies,
    /// Of one request of a service's own HTTP routes; the size of a message is its server's to bound.
    request_bytes_max: usize,
}

/// What is asked of a call.
#[derive(Debug, Clone, Copy)]
struct Terms {
    class: Class,
    roles: RoleSet,
    /// The token may come after the request.
    is_later: bool,
    is_stream: bool,
}

/// A service with the stack in front.
#[derive(Debug, Clone)]
pub struct Stacked<S> {
    inner: S,
    stack: Stack,
}

/// Marks a request, as an extension, whose body is made when it is asked for: it is left alone where the
/// request is refused.
#[derive(Debug, Clone, Copy)]
pub struct BodyOnDemand;

/// What a call that passed takes along.
struct Admitted {
    timeout: Option<Duration>,
    /// When the caller's token is refused from: a stream ends then.
    token_ends: Option<Instant>,
    /// Taken when the message is there.
    place: Option<Arc<Place>>,
    /// Of a caller whose streams have a bound.
    stream: Option<OpenStream>,
    /// It comes from another process, at whatever pace.
    is_from_outside: bool,
}

impl Admitted {
    const fn without_place(timeout: Option<Duration>, is_from_outside: bool) -> Self {
        Self { timeout, token_ends: None, place: None, stream: None, is_from_outside }
    }
}

impl Stack {
    pub fn new(
        config: &ServerConfig,
        methods: Methods,
        authenticator: Authenticator,
        tracing: Tracing,
        metrics: &Metrics,
        lifecycle: Lifecycle,
        instances: Instances,
    ) -> Self {
        Self(Arc::new(Shared {
            methods,
            tracing,
            in_flight: InFlight::new(config.limits.in_flight_max),
            in_flight_player_max: config.limits.in_flight_player_max,
            in_flight_server_max: config.limits.in_flight_server_max,
            authenticator,
            rates: Rates::new(&config.limits),
            streams: Streams::new(&config.limits),
            refusals: Refusals::new(metrics),
            instances,
            lifecycle,
            deadline_max: config.limits.deadline_max,
            environment: config.environment,
            http: metrics.http(),
            request_bytes_max: config.limits.request_bytes_max,
        }))
    }
}

impl Shared {
    /// Layers three to seven: may this call pass?
    fn admit<B>(&self, terms: Terms, request: &mut Request<B>) -> Result<Admitted, Error> {
        // Deadline: before anything is done, learn whether anybody will wait for it, and for how
        // long. No timer is set when the caller sets no deadline.
        let timeout = deadline::timeout(request.headers(), self.deadline_max)?;
        if let Some(timeout) = timeout {
            if timeout.is_zero() {
                return Err(deadline::exceeded());
            }
            request.extensions_mut().insert(Deadline(Instant::now() + timeout));
        }

        // Probes end here: a server that is busy, or whose tokens are wrong, is still alive.
        if terms.class == Class::Probe {
            return Ok(Admitted::without_place(timeout, true));
        }

        // A service of this process: what it works on was admitted, and counted, when it came in.
        if let Some(InProcess { permit, on_behalf_of }) = request.extensions_mut().remove() {
            permit.require(terms.roles)?;
            request.extensions_mut().insert(permit);
            if let Some(caller) = on_behalf_of {
                request.extensions_mut().insert(caller);
            }
            return Ok(Admitted::without_place(timeout, false));
        }

        // Load shedding: what no caller could have is refused before authentication, since verifying
        // signatures is the work that an attacker without a token can make us do.
        self.in_flight.check()?;
        let mut standing = self.standing(None);

        // Authentication: the handler gets a permit, or is not called.
        let (mut token_ends, mut stream) = (None, None);
        let open = terms.class == Class::Reflection && self.environment != Environment::Production;
        let later = terms.is_later && !request.headers().contains_key(header::AUTHORIZATION);
        if !open && !later {
            // Another instance vouches for a caller who has no token.
            let (instance, vouched) = self.instances.recognise(request.headers()).unzip();
            let has_token = request.headers().contains_key(header::AUTHORIZATION);
            let permit = match vouched.flatten().filter(|_| !has_token) {
                Some(permit) => permit,
                None => self.authenticator.authenticate(request.headers())?,
            };
            let connection = request.extensions().get::<Arc<Connection>>().map(|c| &**c);
            match self.check(terms, &permit, connection, instance.is_some()) {
                Ok(known) => standing = known,
                Err(error) => {
                    // Whose call was refused is told in the log.
                    request.extensions_mut().insert::<Permit>(permit);
                    return Err(error);
                }
            }
            let is_bounded = self.authenticator.is_enforced() && !is_service(permit.principal());
            if terms.is_stream && is_bounded && instance.is_none() {
                stream = Some(self.streams.open(permit.principal())?);
            }
            if is_service(permit.principal()) || !self.authenticator.is_enforced() {
                // On whose behalf: only another service is asked, which may act for everybody.
                if let Some(caller) = OnBehalfOf::from_headers(request.headers()) {
                    request.extensions_mut().insert(caller);
                }
            }
            let remaining = self.authenticator.remaining(&permit);
            token_ends = remaining.and_then(|remaining| Instant::now().checked_add(remaining));
            request.extensions_mut().insert::<Permit>(permit);
            if let Some(instance) = instance {
                request.extensions_mut().insert(instance);
            }
        }
        let place = self.in_flight.place(terms.class, standing, timeout);
        Ok(Admitted { timeout, token_ends, place: Some(place), stream, is_from_outside: true })
    }

    /// What is asked of a caller who was authenticated, and how he stands then.
    fn check(
        &self,
        terms: Terms,
        permit: &Permit,
        connection: Option<&Connection>,
        is_passed_on: bool,
    ) -> Result<Standing, Error> {
        let principal = permit.principal();
        // Bounds of connections and rates are behind authentication, since they count by principal. A call
        // that another instance passes on, or that a service makes, was counted there.
        let is_counted = is_passed_on || is_service(principal);
        if let Some(connection) = connection {
            match is_counted {
                true => connection.used_by_us(),
                false => connection.used_by(principal)?,
            }
        }
        if !is_counted {
            self.rates.check(principal, terms.class)?;
        }
        // Permission: the roles that the method declares. Whose data the caller may reach is for the
        // handler to ask.
        permit.require(terms.roles)?;
        Ok(if is_counted { Standing::PRIVILEGED } else { self.standing(Some(principal)) })
    }

    /// Counts a refusal, and writes some of them to the log.
    fn note<B>(&self, error: &Error, method: &str, request: &Request<B>) {
        let extensions = request.extensions();
        let connection = extensions.get::<Arc<Connection>>();
        self.refusals.note(Refused {
            error,
            method,
            principal: extensions.get::<Permit>().map(Permit::principal),
            address: connection.map(|connection| connection.address_of(request.headers())),
        });
    }

    /// The request with its body watched, if it comes from outside.
    fn watch<B>(
        &self,
        admitted: &Admitted,
        is_stream: bool,
        request: Request<B>,
    ) -> Request<Arriving<B>> {
        if !admitted.is_from_outside {
            return request.map(Arriving::unwatched);
        }
        let connection = request.extensions().get::<Arc<Connection>>().cloned();
        let received = Received::new(connection);
        let place = admitted.place.clone();
        let arrival = match request.extensions().get::<BodyOnDemand>() {
            _ if is_stream => Arrival::Stream,
            Some(_) => Arrival::OneOnDemand,
            None => Arrival::One,
        };
        request.map(|body| Arriving::watched(body, place, received, arrival))
    }

    /// Where nobody is authenticated, everybody is the same caller.
    fn standing(&self, principal: Option<&Principal>) -> Standing {
        if !self.authenticator.is_enforced() {
            return Standing::PRIVILEGED;
        }
        // Who is not known has what one player has, all of them together.
        let Some(principal) = principal else {
            return self.in_flight.strangers(self.in_flight_player_max);
        };
        let share = match principal.role {
            Role::GameServer | Role::Admin => self.in_flight_server_max,
            Role::Player | Role::Spectator | Role::Analyst => self.in_flight_player_max,
        };
        self.in_flight.standing(principal, share)
    }
}

impl<S> tower::Layer<S> for Stack {
    type Service = Stacked<S>;

    fn layer(&self, inner: S) -> Stacked<S> {
        Stacked { inner, stack: self.clone() }
    }
}

impl<S, B> tower::Service<Request<B>> for Stacked<S>
where
    S: tower::Service<Request<Arriving<B>>, Response = Response<Body>, Error = Infallible>,
    B: http_body::Body + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Call<S::Future> {
        let shared = &self.stack.0;
        let method = shared.methods.find(request.uri().path());

        // Correlation and trace: first, so that every refusal below can be found in the log and
        // by the caller.
        let correlation = Correlation::from_headers(request.headers());
        let (correlation, span) = telemetry::enter(&shared.tracing, method, correlation);

        // Metrics: before anything can refuse, so that refusals are counted.
        let observation = method.metrics.begin();

        let Method { class, roles, is_stream, .. } = *method;
        let terms = Terms { class, roles, is_later: false, is_stream };
        match shared.admit(terms, &mut request) {
            Ok(admitted) => {
                request.extensions_mut().insert(correlation.clone());
                let request = shared.watch(&admitted, method.client_streaming, request);
                let handler = correlation.clone().scope(self.inner.call(request));
                let lifecycle = shared.lifecycle.clone();
                Call::admitted(handler, admitted, observation, correlation, span, lifecycle)
            }
            Err(error) => {
                correlation.clone().enter_sync(|| shared.note(&error, &method.path, &request));
                let on_demand = request.extensions().get::<BodyOnDemand>().is_some();
                let read_out = refusal::read_out((!on_demand).then(|| request.into_body()));
                Call::refused(error, read_out, observation, correlation, span)
            }
        }
    }
}
