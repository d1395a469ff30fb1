//! Servers of these tests, and callers of a cache on them.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_cache::{BroadcastEvent, Envelope, L2, L2Error};
use gamemesh_redis::{RedisCache, RedisOptions};
use gamemesh_testkit::redis::{Redis, RedisCluster};
use tokio::sync::broadcast::Receiver;

/// Whatever is to happen has happened by then, on a busy machine too.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// How long something that is looked for again and again is left alone.
const TICK: Duration = Duration::from_millis(10);

/// For tests that do not break them.
pub(crate) static SERVER: LazyLock<Redis> = LazyLock::new(|| Redis::start().unwrap());
pub(crate) static CLUSTER: LazyLock<RedisCluster> =
    LazyLock::new(|| RedisCluster::start().unwrap());

/// What a blocking caller waits for while the runtime goes on.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

pub(crate) async fn server() -> &'static Redis {
    blocking(|| LazyLock::force(&SERVER)).await
}

pub(crate) async fn cluster() -> &'static RedisCluster {
    blocking(|| LazyLock::force(&CLUSTER)).await
}

pub(crate) fn store() -> [u8; 16] {
    rand::random()
}

/// The name under which the value of a key lies.
pub(crate) fn name(store: [u8; 16], key: &str) -> String {
    let store: String = store.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("gamemesh:{{{store}/{key}}}")
}

/// A machine that is busy with other tests shall not look like a server that is away.
pub(crate) fn patient() -> RedisOptions {
    RedisOptions { timeout: Duration::from_secs(20), ..RedisOptions::default() }
}

pub(crate) fn open(url: &str, store: [u8; 16], options: RedisOptions) -> RedisCache {
    RedisCache::open(url, store, options).unwrap()
}

/// Waits until what others announce arrives.
pub(crate) async fn listening(cache: &RedisCache) {
    let waited = tokio::time::timeout(LONGEST, async {
        while !cache.statistics().is_listening {
            tokio::time::sleep(TICK).await;
        }
    });
    waited.await.expect("it does not listen");
}

pub(crate) async fn hear(listener: &mut Receiver<BroadcastEvent>) -> BroadcastEvent {
    tokio::time::timeout(LONGEST, listener.recv()).await.expect("nothing is heard").unwrap()
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(LONGEST, async {
        while !holds().await {
            tokio::time::sleep(TICK).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) fn envelope(version: u64) -> Envelope {
    let value = Bytes::from(format!("value {version}"));
    Envelope { version, as_of: version, reducer: 7, value }
}

/// Puts and gets, which a server that is there answers.
pub(crate) async fn works(cache: &RedisCache, key: &str, version: u64) -> bool {
    let put = cache.put(key, envelope(version)).await;
    put.is_ok() && cache.get(key).await.is_ok_and(|got| got == Some(envelope(version)))
}

pub(crate) fn is_unavailable<T>(result: &Result<T, L2Error>) -> bool {
    matches!(result, Err(L2Error::Unavailable(_)))
}
