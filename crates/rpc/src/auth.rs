//! Who calls, and what he may do.
//!
//! The layer stack turns a bearer token into a [`Permit`] and puts it into the request. A handler
//! takes it out with [`Permit::of`] and asks it; without one nothing can be asked, so a handler
//! that stands outside the stack refuses everybody.
//!
//! Policy beside the methods of the contracts: health probes need no token, reflection needs one
//! in production only, `/health`, `/ready` and `/metrics` need none (keep them inside the mesh),
//! and profiling is closed outside development unless it has its own address.

#[cfg(test)]
mod fuzz;
mod keys;
mod roles;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gamemesh_domain::{Code, Error};
use http::{Extensions, HeaderMap, HeaderValue, header};

use crate::clock::Clock;
use crate::config::{AuthConfig, Environment};
use crate::health::Check;
use crate::tls::PeerIdentity;
pub use keys::JwksRefresh;
use keys::Keys;
pub use roles::{Role, RoleSet};
use token::Verifier;
pub use token::{Grant, issue};

/// A caller whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub subject: Arc<str>,
    pub role: Role,
    /// The player that a player's token stands for.
    pub player_id: Option<Arc<str>>,
}

/// Evidence that the caller was authenticated. Only the layer stack and [`Permit::internal`]
/// make one.
#[derive(Debug, Clone)]
pub struct Permit {
    principal: Arc<Principal>,
    valid_until_seconds: Option<i64>,
}

impl Permit {
    /// The permit of work that the server does of its own accord.
    pub fn internal(subject: &str) -> Self {
        let subject = subject.into();
        Self::for_principal(Principal { subject, role: Role::Admin, player_id: None })
    }

    /// The permit of someone who was authenticated.
    pub(crate) fn for_principal(principal: Principal) -> Self {
        Self { principal: Arc::new(principal), valid_until_seconds: None }
    }

    /// The permit of a request.
    pub fn of(extensions: &Extensions) -> Result<&Self, Error> {
        extensions.get().ok_or_else(|| Error::internal("the layer stack is not applied"))
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// When the caller's token is refused from, in seconds since the Unix epoch: its expiry and what clocks
    /// may differ by. `None`: there is no token. Whoever keeps a connection open for longer than a call asks
    /// for a newer token by then, or ends it.
    pub fn valid_until_seconds(&self) -> Option<i64> {
        self.valid_until_seconds
    }

    /// Asks for one of these roles. An administrator has every role.
    pub fn require_any(&self, roles: &[Role]) -> Result<(), Error> {
        self.require(RoleSet::of(roles))
    }

    /// Asks for one of these roles.
    pub fn require(&self, roles: RoleSet) -> Result<(), Error> {
        if roles.contains(self.principal.role) {
            return Ok(());
        }
        Err(self.denied(format!("this needs the role {}", roles.asked_for())))
    }

    /// Asks for the right to act for a player: game servers and administrators may for all, a
    /// player for himself.
    pub fn require_player(&self, player_id: &str) -> Result<(), Error> {
        match self.principal.role {
            Role::Admin | Role::GameServer => Ok(()),
            Role::Player if self.principal.player_id.as_deref() == Some(player_id) => Ok(()),
            Role::Player => Err(self.denied("a player's token reaches its own player only")),
            Role::Spectator | Role::Analyst => {
                Err(self.denied("this needs the role player or game-server"))
            }
        }
    }

    fn denied(&self, message: impl Into<String>) -> Error {
        Error::new(Code::PermissionDenied, message).with_fact("role", self.principal.role.as_str())
    }
}

/// Turns the headers of a request into a permit.
#[derive(Debug)]
pub struct Authenticator {
    keys: Keys,
    verifier: Option<Verifier>,
    anonymous: Permit,
    /// What a client certificate is worth without a token.
    workloads: HashMap<String, Permit>,
    warned: AtomicBool,
}

impl Authenticator {
    /// Without a key, everybody is an administrator; the configuration allows that in
    /// development only, and this asks once more.
    pub fn new(config: &AuthConfig, environment: Environment, clock: Clock) -> Result<Self, Error> {
        let keys = Keys::new(config)?;
        if !keys.are_configured() && environment != Environment::Development {
            return Err(Error::invalid("JWT_SECRET", "is required outside development"));
        }
        if keys.are_configured() && config.jwt_audience.is_none() {
            tracing::info!(
                key = "JWT_AUDIENCE",
                "is not set: tokens are accepted whatever audience they name"
            );
        }
        let verifier = keys.are_configured().then(|| Verifier::new(keys.clone(), config, clock));
        let anonymous = Permit::internal("anonymous");
        let workloads = config.spiffe_roles.iter().map(|(id, role)| {
            let principal = Principal { subject: id.as_str().into(), role: *role, player_id: None };
            (id.clone(), Permit::for_principal(principal))
        });
        let workloads = workloads.collect();
        Ok(Self { keys, verifier, anonymous, workloads, warned: false.into() })
    }

    /// Not ready before there are public keys, where they are fetched.
    pub fn check(&self) -> Option<Check> {
        self.keys.check()
    }

    /// The task that keeps public keys current, where some are configured.
    pub fn refresh(&self) -> Option<JwksRefresh> {
        self.keys.refresh()
    }

    /// How long a permit is good for, from now on; `None` where there is no token that could expire.
    pub(crate) fn remaining(&self, permit: &Permit) -> Option<Duration> {
        let until = permit.valid_until_seconds()?;
        let left = until.saturating_sub(self.verifier.as_ref()?.now_seconds());
        Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    }

    /// Whether callers must bring a token.
    pub fn is_enforced(&self) -> bool {
        self.verifier.is_some()
    }

    /// The permit of the caller who sent these headers.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Permit, Error> {
        let Some(verifier) = &self.verifier else { return Ok(self.everybody()) };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return self.workload().ok_or_else(|| {
                unauthenticated("no token: send the header `authorization: Bearer <token>`")
            });
        };
        // Who checks tokens before us may have looked at another one.
        if values.next().is_some() {
            return Err(unauthenticated("more than one authorization header"));
        }
        let token = bearer(value)
            .ok_or_else(|| unauthenticated("the authorization header is not `Bearer <token>`"))?;
        verifier.verify(token)
    }

    /// The permit of a caller who sent his token in another way than as a header.
    pub fn verify(&self, token: &str) -> Result<Permit, Error> {
        match &self.verifier {
            Some(verifier) => verifier.verify(token),
            None => Ok(self.everybody()),
        }
    }

    /// The permit of a client whose certificate names a workload that the configuration knows.
    fn workload(&self) -> Option<Permit> {
        if self.workloads.is_empty() {
            return None;
        }
        self.workloads.get(PeerIdentity::current()?.as_str()).cloned()
    }

    /// The permit of whoever calls where no token is asked for.
    fn everybody(&self) -> Permit {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("no key is configured: every caller is an administrator");
        }
        self.anonymous.clone()
    }
}

/// The token of an `Authorization: Bearer <token>`.
pub(crate) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a stream ends with whose caller's token is refused from now on.
pub(crate) fn expired() -> Error {
    unauthenticated("the token has expired: go on with a new one")
}

fn unauthenticated(message: impl Into<String>) -> Error {
    Error::new(Code::Unauthenticated, message)
}
