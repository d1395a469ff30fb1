//! Who was refused, and why: each is counted, some are written to the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gamemesh_domain::{Code, Error};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::Code as Grpc;

use crate::auth::Principal;
use crate::error::row;
use crate::metrics::Metrics;

/// Lines a second about what clients do wrong; the others are counted.
const LINES_PER_SECOND: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
    caller: &'static str,
}

/// Counts calls that the layer stack refuses. Clones share the counts.
#[derive(Debug, Clone)]
pub(crate) struct Refusals(Arc<Family<Labels, Counter>>);

/// Whose call it was, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    pub(crate) error: &'a Error,
    pub(crate) method: &'a str,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) address: Option<IpAddr>,
}

impl Refusals {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let refusals = Self(Arc::default());
        metrics.register(|registry| {
            let help = "Calls that were refused before a handler, by reason and caller";
            registry.register("gamemesh_refusals", help, Family::clone(&refusals.0));
        });
        refusals
    }

    pub(crate) fn note(&self, refused: Refused<'_>) {
        let Refused { error, method, principal, address } = refused;
        let caller = principal.map_or("stranger", |principal| principal.role.as_str());
        let labels = Labels { reason: error.code.reason(), caller };
        self.0.get_or_create(&labels).inc();
        if let Some(left_out) = CLIENTS.admit() {
            tracing::info!(
                reason = error.code.reason(),
                method,
                caller,
                subject = principal.map(|principal| &*principal.subject),
                address = address.map(tracing::field::display),
                left_out,
                "a call was refused: {}",
                error.message
            );
        }
    }
}

/// What may be written about what clients do wrong, in all: they decide how often it happens.
static CLIENTS: Sampler = Sampler::new(LINES_PER_SECOND);

/// Writes the context of an error to the log: always, if it tells of the server; if clients can bring it
/// about as often as they like, unless there were too many lines.
pub(crate) fn log_context(code: Code, message: &str, context: &str) {
    let reason = code.reason();
    match row(code).grpc {
        Grpc::Internal => tracing::error!(reason, context, "{message}"),
        Grpc::DataLoss | Grpc::DeadlineExceeded | Grpc::Unavailable | Grpc::Unknown => {
            tracing::warn!(reason, context, "{message}");
        }
        _ => {
            if let Some(left_out) = CLIENTS.admit() {
                tracing::warn!(reason, context, left_out, "{message}");
            }
        }
    }
}

/// So many lines a second.
struct Sampler {
    per_second: u32,
    since: OnceLock<Instant>,
    /// The second, and the lines that were written in it.
    window: AtomicU64,
    left_out: AtomicU64,
}

impl Sampler {
    const fn new(per_second: u32) -> Self {
        let (window, left_out) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { per_second, since: OnceLock::new(), window, left_out }
    }

    /// Whether one more may be written; how many were left out since the last.
    fn admit(&self) -> Option<u64> {
        let second = self.since.get_or_init(Instant::now).elapsed().as_secs();
        self.admit_at(second)
    }

    fn admit_at(&self, second: u64) -> Option<u64> {
        let next = |window: u64| {
            let (of, lines) = (window >> 32, window & u64::from(u32::MAX));
            let lines = if of == second { lines } else { 0 };
            (lines < u64::from(self.per_second)).then_some(second << 32 | (lines + 1))
        };
        match self.window.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(_) => Some(self.left_out.swap(0, Ordering::AcqRel)),
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::AcqRel);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_second_and_the_rest_is_told_with_the_next() {
        let sampler = Sampler::new(3);
        let written = |second| (0..10).filter_map(|_| sampler.admit_at(second)).collect::<Vec<_>>();
        assert_eq!(written(0), [0, 0, 0]);
        assert_eq!(written(1), [7, 0, 0]);
        assert_eq!(written(60), [7, 0, 0]);
    }
}
