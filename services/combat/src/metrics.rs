//! Metrics of combat. The names of the first five are fixed: dashboards stand on them.

use std::time::Duration;

use gamemesh_domain::Code;
use gamemesh_rpc::metrics::{LATENCY_BUCKETS_SECONDS, Metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The service's own families. Clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct CombatMetrics {
    pub(crate) sessions_created: Counter,
    pub(crate) damage_events: Counter,
    request_seconds: Family<Labels, Histogram, fn() -> Histogram>,
    pub(crate) active_sessions: Gauge,
    errors: Family<Labels, Counter>,
    verdicts: Family<[(&'static str, String); 2], Counter>,
    pub(crate) tick_lateness_seconds: Histogram,
    pub(crate) command_seconds: Histogram,
    pub(crate) frames: Counter,
    pub(crate) frames_encoded: Counter,
    pub(crate) frame_bytes: Counter,
    pub(crate) conflated: Counter,
    pub(crate) blocks: Counter,
    pub(crate) block_failures: Counter,
    pub(crate) sessions_lost: Counter,
    connections: Family<Labels, Gauge>,
    closed: Family<[(&'static str, u32); 1], Counter>,
    limited: Counter,
    malformed: Counter,
}

type Labels = [(&'static str, &'static str); 1];

/// Counts a connection as open until it is dropped.
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn latency() -> Histogram {
    Histogram::new(LATENCY_BUCKETS_SECONDS)
}

impl CombatMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let families = Self {
            sessions_created: Counter::default(),
            damage_events: Counter::default(),
            request_seconds: Family::new_with_constructor(latency),
            active_sessions: Gauge::default(),
            errors: Family::default(),
            verdicts: Family::default(),
            tick_lateness_seconds: latency(),
            command_seconds: latency(),
            frames: Counter::default(),
            frames_encoded: Counter::default(),
            frame_bytes: Counter::default(),
            conflated: Counter::default(),
            blocks: Counter::default(),
            block_failures: Counter::default(),
            sessions_lost: Counter::default(),
            connections: Family::default(),
            closed: Family::default(),
            limited: Counter::default(),
            malformed: Counter::default(),
        };
        // A family shows nothing before it has counted something.
        drop(families.closed.get_or_create(&[("code", 1000)]));
        let f = families.clone();
        // Counters get their `_total` from the text format.
        metrics.register(|r| {
            r.register("combat_sessions_created", "Sessions created", f.sessions_created);
            r.register("combat_damage_events", "Times that a player was hurt", f.damage_events);
            let help = "Calls, from request to answer";
            r.register("combat_request_duration_seconds", help, f.request_seconds);
            r.register("combat_active_sessions", "Sessions owned here", f.active_sessions);
            r.register("combat_errors", "Calls that were refused, by reason", f.errors);
            r.register("combat_verdicts", "Commands judged, by kind and reason", f.verdicts);
            let help = "Ticks, from when they were due to when they were made";
            r.register("combat_tick_lateness_seconds", help, f.tick_lateness_seconds);
            let help = "Commands of players, from arrival to judged and applied";
            r.register("combat_command_duration_seconds", help, f.command_seconds);
            r.register("combat_frames", "Frames handed to connections", f.frames);
            let help = "Frames encoded; one can go to many connections";
            r.register("combat_frames_encoded", help, f.frames_encoded);
            r.register("combat_frame_bytes", "Bytes of frames", f.frame_bytes);
            let help = "Frames left out because the one before had not gone";
            r.register("combat_frames_conflated", help, f.conflated);
            r.register("combat_blocks", "Blocks written to the log", f.blocks);
            r.register(
                "combat_block_failures",
                "Blocks that could not be written",
                f.block_failures,
            );
            r.register("combat_sessions_lost", "Sessions lost to another owner", f.sessions_lost);
            r.register("combat_connections", "Open connections, by kind", f.connections);
            r.register("combat_connections_closed", "Connections closed, by code", f.closed);
            r.register("combat_frames_limited", "Frames beyond a rate", f.limited);
            r.register("combat_frames_malformed", "Frames that cannot be read", f.malformed);
        });
        families
    }

    pub(crate) fn request(&self, method: &'static str, took: Duration) {
        let histogram = self.request_seconds.get_or_create_owned(&[("method", method)]);
        histogram.observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, code: Code) {
        self.errors.get_or_create_owned(&[("reason", code.reason())]).inc();
    }

    pub(crate) fn judged(&self, kind: &'static str, reason: &str) {
        let labels = [("kind", kind.to_owned()), ("reason", reason.to_owned())];
        self.verdicts.get_or_create_owned(&labels).inc();
    }

    pub(crate) fn opened(&self, kind: &'static str) -> Open {
        let open = self.connections.get_or_create_owned(&[("kind", kind)]);
        open.inc();
        Open(open)
    }

    pub(crate) fn closed(&self, code: u16) {
        self.closed.get_or_create_owned(&[("code", code.into())]).inc();
    }

    pub(crate) fn limited(&self) {
        self.limited.inc();
    }

    pub(crate) fn malformed(&self) {
        self.malformed.inc();
    }
}
