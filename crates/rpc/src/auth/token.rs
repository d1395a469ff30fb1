//! Bearer tokens: JSON Web Tokens signed with HS256, RS256, ES256 or EdDSA.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::Error;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::{Permit, Principal, Role, unauthenticated};
use crate::clock::Clock;
use crate::config::{AuthConfig, Secret};

/// Clocks of issuer and server may differ by this much.
const LEEWAY_SECONDS: i64 = 30;

/// Verified tokens that are remembered; the least used make room.
const CACHE_TOKENS_MAX: usize = 16_384;

/// A longer token is refused unread.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

const UNSIGNED: &str = "the token is not signed by a known key";

/// What a token says. `player_id` may be left out of a player's token: it is then its subject.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    player_id: Option<String>,
    #[serde(deserialize_with = "numeric_date::down")]
    exp: i64,
    #[serde(
        default,
        deserialize_with = "numeric_date::up",
        skip_serializing_if = "Option::is_none"
    )]
    nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<serde_json::Value>,
}

/// A NumericDate of RFC 7519: seconds since 1970, which may have a fraction. Clocks are compared in whole
/// seconds, so a token is valid for rather a fraction less than more.
mod numeric_date {
    use serde::{Deserialize as _, Deserializer};
    use serde_json::Number;

    pub(super) fn down<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        Number::deserialize(deserializer).map(|number| whole(&number, f64::floor))
    }

    pub(super) fn up<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let number = Option::<Number>::deserialize(deserializer)?;
        Ok(number.map(|number| whole(&number, f64::ceil)))
    }

    #[expect(clippy::cast_possible_truncation, reason = "a date beyond the end is the end")]
    fn whole(number: &Number, round: fn(f64) -> f64) -> i64 {
        let fractional = || number.as_f64().map_or(0, |seconds| round(seconds) as i64);
        number.as_i64().unwrap_or_else(fractional)
    }
}

/// What [`issue`] writes into a token.
#[derive(Debug, Clone)]
pub struct Grant {
    pub subject: String,
    pub role: Role,
    pub player_id: Option<String>,
    pub lifetime: Duration,
}

/// Signs a token for development and for tests.
pub fn issue(
    secret: &Secret,
    grant: &Grant,
    config: &AuthConfig,
    clock: &Clock,
) -> Result<String, Error> {
    let now = clock.now_seconds();
    let claims = Claims {
        sub: grant.subject.clone(),
        role: grant.role.as_str().to_owned(),
        player_id: grant.player_id.clone(),
        exp: now.saturating_add(i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX)),
        nbf: Some(now),
        iat: Some(now.into()),
        iss: config.jwt_issuer.clone(),
        aud: config.jwt_audience.clone().map(Into::into),
    };
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(Error::internal)
}

/// A token that was verified, and how long that holds.
#[derive(Debug, Clone)]
struct Verified {
    principal: Arc<Principal>,
    not_before_seconds: i64,
    expires_at_seconds: i64,
}

impl Verified {
    fn refused_from_seconds(&self) -> i64 {
        self.expires_at_seconds.saturating_add(LEEWAY_SECONDS)
    }
}

pub(super) struct Verifier {
    keys: Keys,
    /// Of everything but the signature's algorithm, which the key decides.
    validation: Validation,
    clock: Clock,
    /// By hash of the token, so that the process does not hoard credentials.
    cache: Cache<[u8; 32], Verified>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("validation", &self.validation).finish_non_exhaustive()
    }
}

impl Verifier {
    pub(super) fn new(keys: Keys, config: &AuthConfig, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Time is checked against our clock at every use, also when the token comes from the cache.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        validation.required_spec_claims.insert("exp".to_owned());
        match &config.jwt_issuer {
            Some(issuer) => {
                validation.set_issuer(&[issuer]);
                validation.required_spec_claims.insert("iss".to_owned());
            }
            None => validation.iss = None,
        }
        match &config.jwt_audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        Self { keys, validation, clock, cache: Cache::new(CACHE_TOKENS_MAX) }
    }

    pub(super) fn verify(&self, token: &str) -> Result<Permit, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(unauthenticated(format!(
                "the token is longer than {TOKEN_BYTES_MAX} bytes"
            )));
        }
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        let verified = match self.cache.get(&hash) {
            Some(verified) => verified,
            None => {
                let verified = self.decode(token)?;
                self.check_time(&verified)?;
                self.cache.insert(hash, verified.clone());
                verified
            }
        };
        self.check_time(&verified)?;
        Ok(Permit {
            valid_until_seconds: Some(verified.refused_from_seconds()),
            principal: verified.principal,
        })
    }

    pub(super) fn now_seconds(&self) -> i64 {
        self.clock.now_seconds()
    }

    fn check_time(&self, verified: &Verified) -> Result<(), Error> {
        let now = self.clock.now_seconds();
        if now >= verified.refused_from_seconds() {
            return Err(unauthenticated("the token has expired")
                .with_fact("expiredAt", verified.expires_at_seconds));
        }
        if now < verified.not_before_seconds.saturating_sub(LEEWAY_SECONDS) {
            return Err(unauthenticated("the token is not valid yet")
                .with_fact("notBefore", verified.not_before_seconds));
        }
        Ok(())
    }

    fn decode(&self, token: &str) -> Result<Verified, Error> {
        // A header that names no algorithm of the library, `none` among them, fails here; the
        // claims behind it are then not looked at.
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            ErrorKind::Json(_) => unauthenticated(UNSIGNED),
            _ => explain(&error),
        })?;
        // Whoever extends a token critically means that it must not be read without the extension.
        if header.crit.is_some() {
            return Err(unauthenticated(
                "the token has critical extensions, and none is known here",
            ));
        }
        let key = self.keys.find(header.alg, header.kid.as_deref());
        let key = key.ok_or_else(|| unauthenticated(UNSIGNED))?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![key.algorithm];
        let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| explain(&error))?
            .claims;
        let role = Role::parse(&claims.role).ok_or_else(|| {
            let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
            unauthenticated(format!("the token's role is not one of {}", known.join(", ")))
        })?;
        if claims.sub.is_empty() {
            return Err(unauthenticated("the token has no subject"));
        }
        let subject: Arc<str> = claims.sub.into();
        let player_id = match (role, claims.player_id) {
            (_, Some(player_id)) => Some(player_id.into()),
            (Role::Player, None) => Some(subject.clone()),
            (_, None) => None,
        };
        Ok(Verified {
            principal: Arc::new(Principal { subject, role, player_id }),
            not_before_seconds: claims.nbf.unwrap_or(i64::MIN),
            expires_at_seconds: claims.exp,
        })
    }
}

/// Says what is wrong without helping to forge: everything about the signature is one sentence.
fn explain(error: &jsonwebtoken::errors::Error) -> Error {
    let message = match error.kind() {
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(claim) => {
            return unauthenticated(format!("the token has no {claim} claim"));
        }
        ErrorKind::Json(_) => "the token's claims are not sub, role and exp as they should be",
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => {
            "this is not a JSON Web Token"
        }
        _ => UNSIGNED,
    };
    unauthenticated(message)
}
