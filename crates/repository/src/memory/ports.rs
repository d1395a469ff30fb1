//! The ports over the collections, but for the tables' and the leases'.

use async_trait::async_trait;
use tokio::sync::watch;

use super::MemoryStore;
use crate::{
    Append, AppendError, Appended, Cursor, Cursors, Direction, Event, EventLog, Head, Incarnation,
    Lane, LogError, Pending, Position, Projected, Snapshot, Snapshots, StoreSecret, StreamName,
    TableSet, TableWriter, VerifyReport, Version,
};

#[async_trait]
impl EventLog for MemoryStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn secret(&self) -> StoreSecret {
        self.secret
    }

    fn lanes(&self) -> u16 {
        self.tails.len() as u16
    }

    fn is_sole_writer(&self) -> bool {
        true
    }

    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        let mut state = self.state.lock();
        let is_stale =
            append.fence.is_some_and(|fence| state.leases.epoch(fence.lane) != Some(fence.epoch));
        let result = append.check(self.lanes()).and_then(|()| match is_stale {
            true => Err(LogError::Fenced.into()),
            false => state.log.append(append),
        });
        if result.is_ok() {
            for (lane, tail) in self.tails.iter().enumerate() {
                tail.send_replace(state.log.tail(Lane(lane as u16)));
            }
        }
        Box::pin(std::future::ready(result))
    }

    async fn idempotent(&self, key: &str) -> Result<Option<(Appended, [u8; 16])>, LogError> {
        Ok(self.state.lock().log.idempotent(key))
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Event>, LogError> {
        Ok(self.state.lock().log.read_stream(stream, from, limit, direction))
    }

    async fn read_lane(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, LogError> {
        Ok(self.state.lock().log.read_lane(lane, after, limit))
    }

    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError> {
        Ok(self.state.lock().log.head(stream))
    }

    async fn version_at(&self, stream: &StreamName, time_us: i64) -> Result<Version, LogError> {
        let state = self.state.lock();
        Ok(state.log.stream(stream).iter().filter(|e| e.time_us <= time_us).count() as Version)
    }

    fn tail(&self, lane: Lane) -> watch::Receiver<Position> {
        self.tails[usize::from(lane.0)].subscribe()
    }

    async fn verify(&self) -> Result<VerifyReport, LogError> {
        Ok(self.state.lock().log.verify())
    }

    async fn ping(&self) -> Result<(), LogError> {
        Ok(())
    }
}

#[async_trait]
impl Snapshots for MemoryStore {
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        let key = (snapshot.stream.clone(), snapshot.reducer, snapshot.version);
        self.state.lock().snapshots.insert(key, snapshot);
        Ok(())
    }

    async fn snapshot_at(
        &self,
        stream: &StreamName,
        version: Version,
        reducer: u64,
    ) -> Result<Option<Snapshot>, LogError> {
        let range = (stream.clone(), reducer, 0)..=(stream.clone(), reducer, version);
        Ok(self.state.lock().snapshots.range(range).next_back().map(|(_, s)| s.clone()))
    }

    async fn forget_snapshots(&self, stream: &StreamName) -> Result<(), LogError> {
        self.state.lock().snapshots.retain(|(name, _, _), _| name != stream);
        Ok(())
    }
}

#[async_trait]
impl Cursors for MemoryStore {
    async fn cursor(&self, projection: &str, lane: Lane) -> Result<Cursor, LogError> {
        Ok(self.state.lock().rows.cursor(projection, lane))
    }

    async fn advance(&self, from: Position, to: Cursor) -> Result<(), LogError> {
        self.state.lock().rows.advance(from, to)
    }

    async fn reset(&self, projection: &str) -> Result<(), LogError> {
        self.state.lock().rows.reset(projection);
        Ok(())
    }
}

#[async_trait]
impl TableWriter for MemoryStore {
    async fn write(&self, projected: Projected) -> Result<(), LogError> {
        self.state.lock().rows.write(projected)
    }

    async fn clear(&self, projection: &str, tables: &[TableSet]) -> Result<(), LogError> {
        self.state.lock().rows.clear(projection, tables);
        Ok(())
    }
}
