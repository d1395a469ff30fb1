//! Operations a second of the shared cache on the Redis of `REDIS_URL`, and their latency when nothing else
//! is under way. Compare two builds by running their binaries in turns.
//!
//!     eval "$(scripts/services up redis)"
//!     cargo run --release -p gamemesh-redis --example throughput

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gamemesh_cache::{Envelope, L2};
use gamemesh_redis::{RedisCache, RedisOptions};

const MEASURE: Duration = Duration::from_secs(2);
const CLIENTS: usize = 32;
const KEYS: usize = 1_000;

fn envelope(version: u64) -> Envelope {
    Envelope { version, as_of: version, reducer: 1, value: Bytes::from_static(&[7; 500]) }
}

/// Operations a second of so many clients, each doing one after the other.
async fn rate<F: Future<Output = ()> + Send>(
    clients: usize,
    operation: impl Fn(usize, u64) -> F + Send + Sync + Copy + 'static,
) -> f64 {
    let ends = Instant::now() + MEASURE;
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            tokio::spawn(async move {
                let mut done = 0;
                while Instant::now() < ends {
                    operation(client, done).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap_or(0);
    }
    done as f64 / MEASURE.as_secs_f64()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL")?;
    let options = RedisOptions { timeout: Duration::from_secs(2), ..RedisOptions::default() };
    let cache: &'static Arc<RedisCache> =
        Box::leak(Box::new(Arc::new(RedisCache::open(&url, [9; 16], options)?)));
    for key in 0..KEYS {
        cache.put(&format!("k{key}"), envelope(1)).await?;
    }
    let get = move |client: usize, n: u64| async move {
        let key = format!("k{}", (client * 31 + n as usize) % KEYS);
        assert!(cache.get(&key).await.is_ok());
    };
    let put = move |client: usize, n: u64| async move {
        assert!(cache.put(&format!("k{client}"), envelope(n + 2)).await.is_ok());
    };
    let one = rate(1, get).await;
    let gets = rate(CLIENTS, get).await;
    let puts = rate(CLIENTS, put).await;
    println!("get, one client {one:.0}/s; get, {CLIENTS} clients {gets:.0}/s; put {puts:.0}/s");
    Ok(())
}
