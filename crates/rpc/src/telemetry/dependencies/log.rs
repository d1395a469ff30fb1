//! The log, seen by a tracer.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, EventLog, Head, Incarnation, Lane, LogError,
    Pending, Position, StoreSecret, StreamName, TailObservation, VerifyReport, Version,
};
use tokio::sync::watch;
use tracing::Instrument as _;

use super::{ended, statement};

pub(super) struct TracedLog {
    inner: Arc<dyn EventLog>,
    system: &'static str,
}

impl TracedLog {
    pub(super) fn new(inner: Arc<dyn EventLog>, system: &'static str) -> Self {
        Self { inner, system }
    }

    async fn within<T, E>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(span) = statement(self.system, operation) else { return asked.await };
        let result = asked.instrument(span.clone()).await;
        ended(&span, &result);
        result
    }
}

#[async_trait]
impl EventLog for TracedLog {
    fn incarnation(&self) -> Incarnation {
        self.inner.incarnation()
    }

    fn secret(&self) -> StoreSecret {
        self.inner.secret()
    }

    fn lanes(&self) -> u16 {
        self.inner.lanes()
    }

    fn is_sole_writer(&self) -> bool {
        self.inner.is_sole_writer()
    }

    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        // Its place in the queue is taken before the span is waited with.
        let pending = self.inner.append(append);
        let Some(span) = statement(self.system, "append") else { return pending };
        Box::pin(async move {
            let result = pending.instrument(span.clone()).await;
            ended(&span, &result);
            result
        })
    }

    fn append_each(&self, appends: Vec<Append>) -> Pending<Vec<Result<Appended, AppendError>>> {
        let pending = self.inner.append_each(appends);
        let Some(span) = statement(self.system, "append") else { return pending };
        Box::pin(async move {
            let results = pending.instrument(span.clone()).await;
            results.iter().for_each(|result| ended(&span, result));
            results
        })
    }

    async fn idempotent(&self, key: &str) -> Result<Option<(Appended, [u8; 16])>, LogError> {
        self.within("idempotent", self.inner.idempotent(key)).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Event>, LogError> {
        let asked = self.inner.read_stream(stream, from, limit, direction);
        self.within("read_stream", asked).await
    }

    async fn read_streams(
        &self,
        asked: &[(StreamName, Version)],
        limit_each: usize,
    ) -> Vec<Result<Vec<Event>, LogError>> {
        let Some(span) = statement(self.system, "read_streams") else {
            return self.inner.read_streams(asked, limit_each).await;
        };
        self.inner.read_streams(asked, limit_each).instrument(span).await
    }

    async fn read_lane(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, LogError> {
        self.within("read_lane", self.inner.read_lane(lane, after, limit)).await
    }

    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError> {
        self.within("head", self.inner.head(stream)).await
    }

    async fn version_at(&self, stream: &StreamName, time_us: i64) -> Result<Version, LogError> {
        self.within("version_at", self.inner.version_at(stream, time_us)).await
    }

    fn tail(&self, lane: Lane) -> watch::Receiver<Position> {
        self.inner.tail(lane)
    }

    fn tail_observations(&self, lane: Lane) -> Option<watch::Receiver<TailObservation>> {
        self.inner.tail_observations(lane)
    }

    fn local_runs(&self, lane: Lane, after: Position) -> Option<RangeInclusive<Position>> {
        self.inner.local_runs(lane, after)
    }

    fn refresh_tail(&self) {
        self.inner.refresh_tail();
    }

    async fn verify(&self) -> Result<VerifyReport, LogError> {
        self.inner.verify().await
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.inner.ping().await
    }
}
