//! The laws on the shared cache of one process, and what only it can do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_cache::conformance::Fixture;
use gamemesh_cache::{
    Announcement, BROADCAST_EVENTS_MAX, BroadcastEvent, Envelope, Fill, L2, L2Error, Lifetimes,
    LocalL2,
};
use tokio::sync::broadcast::error::RecvError;

struct Local(LocalL2);

#[async_trait]
impl Fixture for Local {
    async fn fresh(lifetimes: Lifetimes) -> Self {
        Self(LocalL2::new(1_000, lifetimes))
    }

    async fn caller(&self) -> Arc<dyn L2> {
        Arc::new(self.0.clone())
    }

    async fn interrupt(&self) {
        self.0.set_unavailable(true);
        self.0.set_unavailable(false);
    }
}

gamemesh_cache::conformance_suite!(Local);

fn envelope(version: u64) -> Envelope {
    Envelope { version, as_of: 0, reducer: 0, value: Bytes::new() }
}

#[tokio::test]
async fn nothing_outlives_its_time() {
    let hour = Duration::from_secs(3_600);
    let cache = LocalL2::new(10, Lifetimes { value: 2 * hour, claim: hour });
    cache.put("k", envelope(2)).await.unwrap();
    assert_eq!(cache.claim("k").await.unwrap(), Fill::Yours);
    assert_eq!(cache.claim("k").await.unwrap(), Fill::Others);
    cache.pass(hour);
    assert_eq!(cache.get("k").await.unwrap(), Some(envelope(2)));
    assert_eq!(cache.claim("k").await.unwrap(), Fill::Yours);
    cache.pass(hour);
    assert_eq!(cache.get("k").await.unwrap(), None);
    cache.put("k", envelope(1)).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), Some(envelope(1)));
}

#[tokio::test]
async fn it_is_bounded() {
    let cache = LocalL2::new(10, Lifetimes::default());
    let mut claimed = 0;
    for n in 0..1_000 {
        let key = format!("k{n}");
        cache.put(&key, envelope(1)).await.unwrap();
        claimed += usize::from(cache.claim(&key).await.is_ok());
    }
    let mut kept = 0;
    for n in 0..1_000 {
        kept += usize::from(cache.get(&format!("k{n}")).await.unwrap().is_some());
    }
    assert!((1..=10).contains(&kept), "{kept}");
    assert_eq!(claimed, 10);
    cache.pass(Lifetimes::default().claim);
    assert_eq!(cache.claim("another").await.unwrap(), Fill::Yours);
}

#[tokio::test]
async fn while_it_is_away_nothing_is_answered() {
    let cache = LocalL2::new(10, Lifetimes::default());
    let other = cache.clone();
    let mut listener = other.subscribe();
    cache.put("k", envelope(1)).await.unwrap();
    cache.set_unavailable(true);
    let away = L2Error::Unavailable("it is set unavailable".to_owned());
    assert_eq!(other.get("k").await.unwrap_err(), away);
    assert_eq!(other.put("k", envelope(2)).await.unwrap_err(), away);
    assert_eq!(other.claim("k").await.unwrap_err(), away);
    let nothing = Announcement { lane: 0, after: 0, to: 0, payload: Bytes::new() };
    assert_eq!(other.announce(nothing).await.unwrap_err(), away);
    assert_eq!(other.ping().await.unwrap_err(), away);
    cache.set_unavailable(false);
    assert_eq!(listener.recv().await, Ok(BroadcastEvent::Interrupted));
    assert_eq!(other.get("k").await.unwrap(), Some(envelope(1)));
    cache.flush();
    assert_eq!(other.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_listener_that_lags_hears_that_it_missed_something() {
    let cache = LocalL2::new(10, Lifetimes::default());
    let mut listener = cache.subscribe();
    for to in 0..=BROADCAST_EVENTS_MAX as u64 {
        cache
            .announce(Announcement { lane: 0, after: 0, to, payload: Bytes::new() })
            .await
            .unwrap();
    }
    assert_eq!(listener.recv().await, Err(RecvError::Lagged(1)));
}
