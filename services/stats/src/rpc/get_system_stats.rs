use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;

use super::answer::Answer;
use crate::convert::time::to_duration;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _request: pb::GetSystemStatsRequest,
) -> Result<Answer<pb::GetSystemStatsResponse>> {
    engine.look();
    let metrics = &engine.metrics;
    let (events_per_second, latency) = engine.throughput.now();
    let gauge = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(Answer::new(pb::GetSystemStatsResponse {
        events_received: metrics.received_total(),
        events_processed: metrics.processed.get(),
        duplicates: metrics.duplicates.get(),
        conflicts: metrics.conflicts.get(),
        late: metrics.late.get(),
        refused: metrics.refused.get(),
        shed: metrics.shed.get(),
        refolds: metrics.refolds.get(),
        matches_active: gauge(metrics.matches_active.get()) as u32,
        matches_total: engine.standings.totals.read().matches() as u32,
        players_total: engine.standings.totals.read().players() as u64,
        queue_events: gauge(metrics.queue_events.get()),
        queue_bytes: gauge(metrics.queue_bytes.get()),
        lag_blocks: gauge(metrics.lag_blocks.get()),
        memory_bytes: gauge(metrics.memory_bytes.get()),
        events_per_second,
        processing_latency: Some(to_duration(latency.as_micros() as u64)),
        cache_hit_ratio: engine.hit_ratio(),
        workers: engine.workers() as u32,
        uptime: Some(to_duration(engine.started.elapsed().as_micros() as u64)),
    }))
}
