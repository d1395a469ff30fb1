//! Metrics of what this process has opened, read from the adapters at each scrape. Their names are
//! fixed: dashboards stand on them.

use std::fmt::Error;

use gamemesh_backends::{L2Statistics, PoolStatistics, Replica};
use gamemesh_repository::LogName;
use gamemesh_rpc::metrics::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::opened::Opened;

#[derive(Debug)]
struct BackendMetrics(Opened);

pub(crate) fn register(metrics: &Metrics, opened: &Opened) {
    let collector = Box::new(BackendMetrics(opened.clone()));
    metrics.register(|registry| registry.register_collector(collector));
}

impl Collector for BackendMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let shared = &self.0.shared;
        let mut pools: Vec<_> = self
            .0
            .stores()
            .filter_map(|(log, store)| Some((pool_of(log), store.pool_statistics()?)))
            .collect();
        pools.extend(shared.as_ref().map(|shared| ("redis", shared.pool_statistics())));
        pools_of(&mut encoder, &pools)?;
        let stores = self.0.stores();
        let replicas: Vec<_> = stores
            .flat_map(|(log, store)| {
                store.replicas().into_iter().map(move |one| (pool_of(log), one))
            })
            .collect();
        replicas_of(&mut encoder, &replicas)?;
        shared.as_ref().map_or(Ok(()), |shared| cache(&mut encoder, &shared.statistics()))
    }
}

/// The label of a log's pool. The state's is that of the time when there was no other.
const fn pool_of(log: LogName) -> &'static str {
    match log {
        LogName::State => "postgres",
        LogName::Combat => "postgres-combat",
        LogName::Stats => "postgres-stats",
        LogName::Memory => "postgres-memory",
    }
}

/// Counters get their `_total` from the text format.
fn pools_of(
    encoder: &mut DescriptorEncoder<'_>,
    pools: &[(&str, PoolStatistics)],
) -> Result<(), Error> {
    let mut each = |name, help, kind, value: fn(&PoolStatistics) -> f64| {
        let values = pools.iter().map(|(pool, statistics)| ([("pool", *pool)], value(statistics)));
        family(encoder, name, help, kind, values)
    };
    use MetricType::{Counter, Gauge};
    each("gamemesh_pool_connections_max", "Connections there may be", Gauge, |pool| {
        f64::from(pool.connections_max)
    })?;
    each("gamemesh_pool_in_use", "Connections that somebody works on", Gauge, |pool| {
        f64::from(pool.in_use)
    })?;
    each("gamemesh_pool_idle", "Connections that are kept for the next", Gauge, |pool| {
        f64::from(pool.idle)
    })?;
    each("gamemesh_pool_waiters", "Callers that wait for a connection", Gauge, |pool| {
        f64::from(pool.waiters)
    })?;
    each("gamemesh_pool_acquired", "Connections handed out", Counter, |pool| {
        pool.acquired_total as f64
    })?;
    each("gamemesh_pool_waited", "Callers that had to wait", Counter, |pool| {
        pool.waited_total as f64
    })?;
    each("gamemesh_pool_wait_seconds", "Time that they waited, all together", Counter, |pool| {
        pool.wait_us_total as f64 / 1e6
    })?;
    each("gamemesh_pool_refused", "Callers refused because too many waited", Counter, |pool| {
        pool.refused_total as f64
    })?;
    each("gamemesh_pool_timed_out", "Callers refused after the longest wait", Counter, |pool| {
        pool.timed_out_total as f64
    })?;
    each("gamemesh_pool_breaker_open", "1 while the server is taken to be away", Gauge, |pool| {
        f64::from(u8::from(!pool.breaker_is_closed))
    })
}

/// Each replica under the pool of its log.
fn replicas_of(
    encoder: &mut DescriptorEncoder<'_>,
    replicas: &[(&str, Replica)],
) -> Result<(), Error> {
    let mut each = |name, help, kind, value: fn(&Replica) -> f64| {
        let values = replicas
            .iter()
            .map(|(pool, one)| ([("pool", *pool), ("replica", one.name.as_str())], value(one)));
        family(encoder, name, help, kind, values)
    };
    use MetricType::{Counter, Gauge};
    each("gamemesh_replica_used", "1 while reads go to the replica", Gauge, |one| {
        f64::from(u8::from(one.is_used))
    })?;
    each(
        "gamemesh_replica_age_seconds",
        "Since when it lacks something that the primary had",
        Gauge,
        |one| one.age.as_secs_f64(),
    )?;
    each("gamemesh_replica_latency_seconds", "What an answer takes, smoothed", Gauge, |one| {
        one.latency.as_secs_f64()
    })?;
    each("gamemesh_replica_reads", "Reads that it answered", Counter, |one| {
        one.reads_total as f64
    })?;
    each("gamemesh_replica_failures", "Reads that the primary had to answer", Counter, |one| {
        one.failures_total as f64
    })
}

fn cache(encoder: &mut DescriptorEncoder<'_>, cache: &L2Statistics) -> Result<(), Error> {
    use MetricType::{Counter, Gauge};
    let of = |label, counts: &[(&'static str, u64)]| -> Vec<_> {
        counts.iter().map(|(value, count)| ([(label, *value)], *count as f64)).collect()
    };
    let lookups = [
        ("hit", cache.hits_total),
        ("miss", cache.misses_total - cache.damaged_total.min(cache.misses_total)),
        ("damaged", cache.damaged_total),
    ];
    family(
        encoder,
        "gamemesh_redis_lookups",
        "Values asked for by what was there",
        Counter,
        of("found", &lookups),
    )?;
    let puts = [
        ("taken", cache.puts_total),
        ("not_newer", cache.puts_refused_total),
        ("too_large", cache.puts_too_large_total),
    ];
    family(
        encoder,
        "gamemesh_redis_puts",
        "Values offered by what became of them",
        Counter,
        of("outcome", &puts),
    )?;
    let announcements = [("sent", cache.announced_total), ("heard", cache.received_total)];
    family(
        encoder,
        "gamemesh_redis_announcements",
        "Announcements of changes",
        Counter,
        of("direction", &announcements),
    )?;
    let mut one =
        |name, help, kind, value| family(encoder, name, help, kind, [([("pool", "redis")], value)]);
    one(
        "gamemesh_redis_failures",
        "Operations that ended without an answer",
        Counter,
        cache.failures_total as f64,
    )?;
    one(
        "gamemesh_redis_interruptions",
        "Times that announcements may have been missed",
        Counter,
        cache.interruptions_total as f64,
    )?;
    one(
        "gamemesh_redis_listening",
        "1 while announcements of others arrive",
        Gauge,
        f64::from(u8::from(cache.is_listening)),
    )
}

fn family<'a, const LABELS: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    values: impl IntoIterator<Item = ([(&'a str, &'a str); LABELS], f64)>,
) -> Result<(), Error> {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in values {
        let mut labelled = metric.encode_family(&labels)?;
        match kind {
            MetricType::Counter => labelled.encode_counter::<NoLabelSet, f64, f64>(&value, None)?,
            _ => labelled.encode_gauge(&value)?,
        }
    }
    Ok(())
}
