//! As whom a service calls another.

use std::collections::HashMap;
use std::time::Duration;

use gamemesh_domain::{Error, Result};
use http::HeaderValue;
use parking_lot::Mutex;

use crate::auth::{Grant, Permit, Principal, Role, issue};
use crate::clock::Clock;
use crate::config::{AuthConfig, Secret};

/// How long a token that is signed here lasts, and when a new one is signed.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
const TOKEN_RENEWED_AFTER_SECONDS: i64 = 300;

/// What the subjects of services begin with.
const PREFIX: &str = "service:";

/// How services show who they are to those of other processes.
pub struct Identity(Kind);

enum Kind {
    /// Nobody asks, or the mesh's certificates tell.
    None,
    /// A token that the configuration gives.
    Given(Secret),
    /// Tokens of each service's own, signed with the secret that all processes share.
    Signed {
        auth: Box<AuthConfig>,
        secret: Secret,
        clock: Clock,
        tokens: Mutex<HashMap<String, Token>>,
    },
}

struct Token {
    value: HeaderValue,
    renewed_at_seconds: i64,
}

impl Identity {
    pub const fn none() -> Self {
        Self(Kind::None)
    }

    /// The given token; else one signed with the secret; else none.
    pub fn new(token: Option<&Secret>, auth: &AuthConfig, clock: Clock) -> Self {
        Self(match (token, &auth.jwt_secret) {
            (Some(token), _) => Kind::Given(token.clone()),
            (None, Some(secret)) => Kind::Signed {
                auth: Box::new(auth.clone()),
                secret: secret.clone(),
                clock,
                tokens: Mutex::default(),
            },
            (None, None) => Kind::None,
        })
    }

    /// The `authorization` of a service's calls.
    pub(super) fn authorization(&self, service: &str) -> Result<Option<HeaderValue>> {
        match &self.0 {
            Kind::None => Ok(None),
            Kind::Given(token) => bearer(token.expose()).map(Some),
            Kind::Signed { auth, secret, clock, tokens } => {
                let now = clock.now_seconds();
                let mut tokens = tokens.lock();
                if let Some(token) = tokens.get(service)
                    && now < token.renewed_at_seconds
                {
                    return Ok(Some(token.value.clone()));
                }
                let grant = Grant {
                    subject: format!("{PREFIX}{service}"),
                    role: Role::GameServer,
                    player_id: None,
                    lifetime: TOKEN_LIFETIME,
                };
                let value = bearer(&issue(secret, &grant, auth, clock)?)?;
                let renewed_at_seconds = now.saturating_add(TOKEN_RENEWED_AFTER_SECONDS);
                tokens
                    .insert(service.to_owned(), Token { value: value.clone(), renewed_at_seconds });
                Ok(Some(value))
            }
        }
    }
}

/// The permit of a service within the process.
pub(super) fn permit(service: &str) -> Permit {
    Permit::for_principal(Principal {
        subject: format!("{PREFIX}{service}").into(),
        role: Role::GameServer,
        player_id: None,
    })
}

/// Whether a caller is a service, whose word counts about who called it. Tokens of game servers may act
/// for every player anyway, so a subject that pretends to be one gains nothing.
pub(crate) fn is_service(principal: &Principal) -> bool {
    matches!(principal.role, Role::GameServer | Role::Admin)
        && principal.subject.starts_with(PREFIX)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(Error::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Authenticator;
    use crate::config::Environment;

    #[test]
    fn a_signed_token_is_accepted_and_renewed() {
        let auth = AuthConfig {
            jwt_secret: Some(Secret::new("0123456789abcdef0123456789abcdef")),
            jwt_issuer: None,
            jwt_audience: None,
            jwks: None,
            spiffe_roles: Vec::new(),
        };
        let clock = Clock::manual(1_700_000_000_000_000);
        let identity = Identity::new(None, &auth, clock.clone());
        let authenticator =
            Authenticator::new(&auth, Environment::Production, clock.clone()).unwrap();
        let sent = || identity.authorization("combat").unwrap().unwrap();
        let first = sent();
        assert_eq!(first, sent());
        for _ in 0..5 {
            let headers = [(http::header::AUTHORIZATION, sent())].into_iter().collect();
            let permit = authenticator.authenticate(&headers).unwrap();
            assert_eq!(&*permit.principal().subject, "service:combat");
            assert!(is_service(permit.principal()));
            clock.advance(Duration::from_secs(299));
        }
        assert_ne!(first, sent());
    }

    #[test]
    fn a_player_is_no_service_whatever_his_name() {
        let named = |role| Principal { subject: "service:x".into(), role, player_id: None };
        assert!(is_service(&named(Role::GameServer)));
        for role in [Role::Player, Role::Spectator, Role::Analyst] {
            assert!(!is_service(&named(role)));
        }
    }
}
