//! Metrics of the pool of database connections, read at each scrape.

use std::fmt::Error;

use gamemesh_backends::{Backends, PoolStatistics};
use gamemesh_rpc::metrics::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

#[derive(Debug)]
struct Pools(Backends);

/// A store without a pool adds nothing.
pub(crate) fn register(metrics: &Metrics, backends: &Backends) {
    let pools = Pools(backends.clone());
    metrics.register(|registry| registry.register_collector(Box::new(pools)));
}

impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(pool) = self.0.pool_statistics() else { return Ok(()) };
        for (name, help, value) in gauges(&pool) {
            let gauge = ConstGauge::new(i64::from(value));
            let name = format!("gamemesh_postgres_pool_{name}");
            gauge.encode(encoder.encode_descriptor(&name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, value) in counters(&pool) {
            let counter = ConstCounter::new(value);
            let name = format!("gamemesh_postgres_pool_{name}");
            counter.encode(encoder.encode_descriptor(
                &name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        let seconds = ConstCounter::new(pool.wait_us_total as f64 / 1e6);
        seconds.encode(encoder.encode_descriptor(
            "gamemesh_postgres_pool_wait_seconds",
            "Time that all callers together have waited for a connection",
            None,
            seconds.metric_type(),
        )?)?;
        let open = ConstGauge::new(i64::from(!pool.breaker_is_closed));
        open.encode(encoder.encode_descriptor(
            "gamemesh_postgres_breaker_open",
            "1 while the server is taken to be away",
            None,
            open.metric_type(),
        )?)
    }
}

fn gauges(pool: &PoolStatistics) -> [(&'static str, &'static str, u32); 4] {
    [
        ("connections_max", "Connections for reading at most", pool.connections_max),
        ("in_use", "Connections at work", pool.in_use),
        ("idle", "Connections that are open and free", pool.idle),
        ("waiters", "Callers that wait for a connection", pool.waiters),
    ]
}

fn counters(pool: &PoolStatistics) -> [(&'static str, &'static str, u64); 4] {
    [
        ("acquired", "Connections given to callers", pool.acquired_total),
        ("waited", "Callers that had to wait for a connection", pool.waited_total),
        ("refused", "Callers refused at once because too many waited", pool.refused_total),
        ("timed_out", "Callers refused after the longest wait", pool.timed_out_total),
    ]
}
