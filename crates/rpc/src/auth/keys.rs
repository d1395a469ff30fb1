//! The keys that verify tokens: one shared secret, and public keys that may change while the process runs.
//!
//! A key has one algorithm, which its own parameters decide. A token names a key and an algorithm, and is
//! looked at only where both belong together: a public key is never a secret of HS256, and `none` is no
//! algorithm of any key.

mod fetch;
mod jwks;
mod refresh;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use gamemesh_domain::{Code, Error};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Notify;

use crate::config::{AuthConfig, JwksSource};
use crate::health::Check;

pub(super) use jwks::PublicKeys;
pub use refresh::JwksRefresh;

/// The keys of this process. Clones are the same keys.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    secret: Option<DecodingKey>,
    source: Option<JwksSource>,
    public: ArcSwap<PublicKeys>,
    /// A token named a key that is not there.
    unknown: Notify,
}

/// A key, and the one algorithm that it verifies.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Keys {
    /// The keys that the configuration names. A file must be there; a URL is asked later.
    pub(super) fn new(config: &AuthConfig) -> Result<Self, Error> {
        let secret = config.jwt_secret.as_ref();
        let public = match &config.jwks {
            Some(JwksSource::File(path)) => PublicKeys::of_file(path)?,
            Some(JwksSource::Url(_)) | None => PublicKeys::default(),
        };
        Ok(Self(Arc::new(Inner {
            secret: secret.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes())),
            source: config.jwks.clone(),
            public: ArcSwap::from_pointee(public),
            unknown: Notify::new(),
        })))
    }

    /// Whether there are keys, or will be.
    pub(super) fn are_configured(&self) -> bool {
        self.0.secret.is_some() || self.0.source.is_some()
    }

    /// The key that verifies a token with this header.
    pub(super) fn find(&self, algorithm: Algorithm, key_id: Option<&str>) -> Option<Key> {
        if algorithm == Algorithm::HS256 {
            return self.0.secret.clone().map(|key| Key { algorithm, key });
        }
        let found = self.0.public.load().find(algorithm, key_id).cloned();
        if found.is_none() && key_id.is_some() {
            self.0.unknown.notify_one();
        }
        found
    }

    /// Ready once there are public keys, where some are configured.
    pub(super) fn check(&self) -> Option<Check> {
        self.0.source.as_ref()?;
        let keys = self.clone();
        Some(Check::new("jwks", move || std::future::ready(keys.require_public())))
    }

    /// The task that keeps public keys current.
    pub(super) fn refresh(&self) -> Option<JwksRefresh> {
        let source = self.0.source.clone()?;
        Some(JwksRefresh::new(self.clone(), source, refresh::Pauses::default()))
    }

    fn require_public(&self) -> Result<(), Error> {
        if self.0.public.load().is_empty() {
            return Err(Error::new(Code::DependencyUnavailable, "no public key is known yet"));
        }
        Ok(())
    }

    fn replace(&self, public: PublicKeys) {
        self.0.public.store(Arc::new(public));
    }

    async fn unknown_key(&self) {
        self.0.unknown.notified().await;
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("source", &self.0.source).finish_non_exhaustive()
    }
}
