use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::analytics::Latencies;
use crate::engine::Engine;

const WINDOW_DEFAULT: Duration = Duration::from_secs(5 * 60);
const WINDOW_MIN: Duration = Duration::from_secs(60);
const WINDOW_MAX: Duration = Duration::from_secs(60 * 60);
const HOT_DEFAULT: usize = 10;
const HOT_MAX: usize = 100;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _: Caller,
    request: pb::GetAnalyticsRequest,
) -> Result<Answer<pb::GetAnalyticsResponse>> {
    let hot_max = parse::count("hotMax", request.hot_max, HOT_DEFAULT, HOT_MAX)?;
    let window = match request.window {
        None => WINDOW_DEFAULT,
        Some(window) => Duration::try_from(window)
            .ok()
            .filter(|window| (WINDOW_MIN..=WINDOW_MAX).contains(window))
            .ok_or_else(|| Error::invalid("window", "accepts 60s to 3600s"))?,
    };
    let now_us = engine.documents.clock.now_micros();
    // A young instance has not been there for the whole window.
    let window_us = (window.as_micros() as i64).min((now_us - engine.started_us).max(1));
    let slice = engine.analytics.since(now_us - window_us);
    let mut hot: Vec<_> = slice.by_aggregate.iter().collect();
    hot.sort_unstable_by_key(|(stream, events)| (Reverse(**events), stream.as_str()));
    let hot = hot.into_iter().take(hot_max).map(|(stream, events)| pb::HotAggregate {
        key: Some(pb::AggregateKey {
            r#type: stream.category().to_owned(),
            id: stream.key().to_owned(),
        }),
        events: *events as i64,
    });
    let cache = engine.documents.cache.statistics();
    Ok(Answer::new(pb::GetAnalyticsResponse {
        window: Some(duration(window_us as u64)),
        events_per_second: slice.events as f64 / (window_us as f64 / 1e6),
        writes: Some(summary(&slice.writes)),
        reads: Some(summary(&slice.reads)),
        events_by_kind: counts(&slice.by_kind),
        events_by_type: counts(&slice.by_type),
        refusals_by_reason: counts(&slice.by_refusal),
        cache: Some(pb::CacheStatistics {
            hits: cache.hits as i64,
            misses: cache.misses as i64,
            stale_fills_dropped: cache.stale_fills_dropped as i64,
            entries: cache.entries as i64,
            bytes: cache.bytes as i64,
            bytes_max: cache.bytes_max as i64,
            sampled: engine.documents.metrics.answers_sampled.get() as i64,
            stale_beyond_bound: engine.documents.metrics.answers_stale.get() as i64,
        }),
        hot: hot.collect(),
    }))
}

fn summary(latencies: &Latencies) -> pb::LatencySummary {
    let quantile = |share| Some(duration(latencies.quantile_us(share)));
    pb::LatencySummary {
        count: latencies.count() as i64,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
    }
}

fn counts<K: AsRef<str> + Hash + Eq>(counts: &HashMap<K, u64>) -> HashMap<String, i64> {
    counts.iter().map(|(name, count)| (name.as_ref().to_owned(), *count as i64)).collect()
}

fn duration(us: u64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: (us / 1_000_000) as i64,
        nanos: (us % 1_000_000 * 1_000) as i32,
    }
}
