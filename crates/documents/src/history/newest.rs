//! The newest state of a stream: the row of its table or its newest snapshot, and the events since.

use std::sync::Arc;

use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{Direction, Event, LogError, Position, StreamName, Version};

use super::{FOLD_EVENTS_MAX, History, REDUCER, decode_row, decode_snapshot};
use crate::encoding;

/// Events of each stream that is read in a batch. A longer stream is read on by itself, so that the others
/// do not wait behind it.
const TOGETHER_EVENTS_MAX: usize = 64;

/// How far the fold of a stream has come.
#[derive(Debug)]
pub(crate) struct Folding {
    aggregate: Aggregate,
    /// Of the last event that was read; 0 before the first.
    position: Position,
    /// Whether the stream was read to its end.
    is_done: bool,
}

impl Folding {
    fn on(base: Aggregate) -> Self {
        Self { aggregate: base, position: 0, is_done: false }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Where the stream is read on. The last event that is known already is read again, for its
    /// position.
    fn next(&self) -> Version {
        match self.position {
            0 => self.aggregate.version.max(1),
            _ => self.aggregate.version + 1,
        }
    }

    /// Takes the events that were read, of which there are fewer than `limit` only at the end.
    fn take(&mut self, events: &[Event], limit: usize) -> Result<(), LogError> {
        for event in events {
            self.position = event.position;
            if event.version > self.aggregate.version {
                encoding::fold(&mut self.aggregate, event)?;
            }
        }
        self.is_done = events.len() < limit;
        Ok(())
    }
}

impl History {
    /// The aggregate as the log has it now; at version 0 if it never existed.
    pub async fn newest(&self, stream: &StreamName) -> Result<Arc<Aggregate>, LogError> {
        let folding = self.begin(stream).await?;
        Ok(self.finish(stream, folding).await?.0)
    }

    /// What the store has to begin with, and the first events that are not in it.
    pub(crate) async fn begin(&self, stream: &StreamName) -> Result<Folding, LogError> {
        // As several are read, which a standby may answer: a row that is older is folded on.
        let row = self.documents.aggregates(std::slice::from_ref(stream)).await.pop();
        let row = row.unwrap_or_else(unanswered)?;
        let mut folding = Folding::on(match row.and_then(|row| decode_row(stream, &row)) {
            Some(base) => base,
            None => self.base_below(stream, Version::MAX).await?,
        });
        self.read_on(stream, &mut folding).await?;
        Ok(folding)
    }

    /// The same of several streams, each by itself, in as many reads as one of them takes.
    pub(crate) async fn begin_each(
        &self,
        streams: &[StreamName],
    ) -> Vec<Result<Folding, LogError>> {
        let bases = self.bases(streams).await;
        let foldings: Vec<_> = bases.into_iter().map(|base| base.map(Folding::on)).collect();
        let begun = streams.iter().zip(&foldings);
        let asked: Vec<(StreamName, Version)> = begun
            .filter_map(|(stream, folding)| Some((stream.clone(), folding.as_ref().ok()?.next())))
            .collect();
        let mut read = self.log.read_streams(&asked, TOGETHER_EVENTS_MAX).await.into_iter();
        let mut go_on = |mut folding: Folding| {
            folding.take(&read.next().unwrap_or_else(unanswered)?, TOGETHER_EVENTS_MAX)?;
            Ok(folding)
        };
        foldings.into_iter().map(|folding| folding.and_then(&mut go_on)).collect()
    }

    /// Reads to the end what was begun. Also answers the position of the last event; 0 if there is
    /// none.
    pub(crate) async fn finish(
        &self,
        stream: &StreamName,
        mut folding: Folding,
    ) -> Result<(Arc<Aggregate>, Position), LogError> {
        while !folding.is_done {
            self.read_on(stream, &mut folding).await?;
        }
        Ok((Arc::new(folding.aggregate), folding.position))
    }

    async fn read_on(&self, stream: &StreamName, folding: &mut Folding) -> Result<(), LogError> {
        let (next, limit) = (folding.next(), FOLD_EVENTS_MAX);
        let events = self.log.read_stream(stream, next, limit, Direction::Forward).await?;
        folding.take(&events, limit)
    }

    /// What the fold of each stream begins with: its row, or its newest snapshot where the row is of
    /// no use.
    async fn bases(&self, streams: &[StreamName]) -> Vec<Result<Aggregate, LogError>> {
        let rows = self.documents.aggregates(streams).await;
        let bases: Vec<Result<Option<Aggregate>, LogError>> = streams
            .iter()
            .zip(rows)
            .map(|(stream, row)| Ok(row?.and_then(|row| decode_row(stream, &row))))
            .collect();
        let without = streams.iter().zip(&bases).filter(|(_, base)| matches!(base, Ok(None)));
        let without: Vec<StreamName> = without.map(|(stream, _)| stream.clone()).collect();
        let snapshots = match without.is_empty() {
            true => Vec::new(),
            false => self.snapshots.newest_snapshots(&without, REDUCER).await,
        };
        let mut snapshots = snapshots.into_iter();
        let mut base = |row: Option<Aggregate>| match row {
            Some(base) => Ok(base),
            None => decode_snapshot(snapshots.next().unwrap_or_else(unanswered)?),
        };
        bases.into_iter().map(|row| row.and_then(&mut base)).collect()
    }
}

fn unanswered<T>() -> Result<T, LogError> {
    Err(LogError::Internal("the store did not answer each".to_owned()))
}
