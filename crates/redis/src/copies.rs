//! Copies as hashes.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use gamemesh_cache::{Copies, Copy, L2Error};
use redis::Value;

use crate::RedisCache;

/// How long a copy is kept after it was written.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Copies on their way at once.
const TOGETHER_MAX: usize = 32;

#[async_trait]
impl Copies for RedisCache {
    async fn put_copies(&self, copies: Vec<Copy>) -> Result<(), L2Error> {
        let lifetime_ms = LIFETIME.as_millis() as u64;
        let puts = copies.into_iter().map(async |copy| {
            let version = copy.version.to_string();
            let mut fields: Vec<(&str, &str)> = vec![("version", &version)];
            fields.extend(copy.fields.iter().map(|(name, value)| (*name, value.as_str())));
            self.call(self.scripts.copy(&copy.name, lifetime_ms, &fields)).await
        });
        let mut put = stream::iter(puts).buffer_unordered(TOGETHER_MAX);
        let mut outcome = Ok(());
        while let Some(answered) = put.next().await {
            match answered {
                Ok(Value::Int(1)) => self.counters.puts.count(),
                Ok(_) => self.counters.puts_refused.count(),
                Err(failure) => outcome = Err(failure.into()),
            }
        }
        outcome
    }
}
