//! A connection lasts no longer than its caller's token, unless he sends a newer one.

use std::time::Duration;

use gamemesh_domain::{Code, Error};
use gamemesh_rpc::auth::Permit;
use gamemesh_rpc::clock::Clock;
use tokio::time::{Instant, sleep_until};

use super::outlet::Closing;
use super::{Client, refused};

/// When a caller's token is refused from.
pub(super) struct Expiry {
    permit: Permit,
    at: Option<Instant>,
}

impl Expiry {
    pub(super) fn of(permit: Permit, clock: &Clock) -> Self {
        let left_us = permit
            .valid_until_seconds()
            .map(|until| until.saturating_mul(1_000_000).saturating_sub(clock.now_micros()));
        let left = left_us.map(|left_us| Duration::from_micros(left_us.max(0).unsigned_abs()));
        Self { permit, at: left.and_then(|left| Instant::now().checked_add(left)) }
    }

    /// Returns when the token is no longer good, why the connection ends.
    pub(super) async fn reached(&self) -> Closing {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
        let what = "the token has expired; come back with a newer one, and send `refresh` in time";
        refused(&Error::new(Code::Unauthenticated, what))
    }

    /// A newer token of the same caller takes the place of this one.
    pub(super) fn renew(&mut self, client: &Client, token: &str) -> Result<(), Closing> {
        let newer = client.pending.authenticate(token).map_err(|error| refused(&error))?;
        if newer.principal() != self.permit.principal() {
            let what = "the newer token is another caller's";
            return Err(refused(&Error::new(Code::Unauthenticated, what)));
        }
        *self = Self::of(newer, &client.edge.clock);
        Ok(())
    }
}
