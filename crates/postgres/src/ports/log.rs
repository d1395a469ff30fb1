//! [`EventLog`].

use std::iter::repeat;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, EventLog, Head, Incarnation, Lane, LogError,
    Pending, Position, StoreSecret, StreamName, TailObservation, VerifyReport, Version,
};
use tokio::sync::watch;

use crate::error::log_error;
use crate::pool::read;
use crate::replicas::{Replicas, read_anywhere};
use crate::tail::Tails;
use crate::writer::replies;
use crate::{PostgresStore, read, verify};

#[async_trait]
impl EventLog for PostgresStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn secret(&self) -> StoreSecret {
        self.secret
    }

    fn lanes(&self) -> u16 {
        self.lanes
    }

    /// Any number of instances may append to the same store.
    fn is_sole_writer(&self) -> bool {
        false
    }

    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        let results = self.append_each(vec![append]);
        Box::pin(async move {
            let result = results.await.pop();
            result.unwrap_or_else(|| Err(writer_ended()))
        })
    }

    fn append_each(&self, appends: Vec<Append>) -> Pending<Vec<Result<Appended, AppendError>>> {
        if appends.is_empty() {
            return Box::pin(async { Vec::new() });
        }
        let count = appends.len();
        let Some(queue) = &self.queue else {
            let refused = move || Err(LogError::ReadOnly.into());
            return Box::pin(async move { std::iter::repeat_with(refused).take(count).collect() });
        };
        let (replies, answered) = replies(count);
        let (replicas, tails, lanes) = (self.replicas.clone(), self.tails.clone(), self.lanes);
        queue.push_each(appends.into_iter().zip(replies).filter_map(
            |(append, reply)| match check(&append, self.lanes) {
                Ok(()) => Some((append, reply)),
                Err(refusal) => {
                    reply.send(Err(refusal));
                    None
                }
            },
        ));
        Box::pin(async move {
            let answers = answered.await.unwrap_or_default().into_iter().chain(repeat(None));
            let answer = |answer: Option<_>| answer.unwrap_or_else(|| Err(writer_ended()));
            let answers: Vec<_> = answers.take(count).map(answer).collect();
            for answer in &answers {
                know_of(answer, &replicas, &tails, lanes);
            }
            answers
        })
    }

    async fn idempotent(&self, key: &str) -> Result<Option<(Appended, [u8; 16])>, LogError> {
        let kept = read!(self.pool, connection, read::idempotent(connection, key).await);
        if let Ok(Some((appended, _))) = &kept {
            for part in &appended.streams {
                self.replicas.know(&part.stream, part.last_position);
            }
        }
        kept
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Event>, LogError> {
        let lane = stream.lane(self.lanes);
        let reading = self.replicas.of_streams(&std::iter::once(stream));
        let read = read_anywhere!(self, reading, connection, {
            read::stream(connection, stream, lane, from, limit, direction).await
        });
        let events = read?;
        self.replicas.know_all(&events);
        if let Some(newest) = events.iter().map(|event| event.position).max() {
            self.tails.raise(lane, newest);
        }
        Ok(events)
    }

    async fn read_streams(
        &self,
        asked: &[(StreamName, Version)],
        limit_each: usize,
    ) -> Vec<Result<Vec<Event>, LogError>> {
        if asked.is_empty() {
            return Vec::new();
        }
        let reading = self.replicas.of_streams(&asked.iter().map(|(stream, _)| stream));
        let read = read_anywhere!(self, reading, connection, {
            read::streams(connection, asked, self.lanes, limit_each).await
        });
        let answers = match read {
            Ok(answers) => answers,
            Err(error) => return vec![Err(error); asked.len()],
        };
        for event in answers.iter().flatten().filter_map(|events| events.last()) {
            self.tails.raise(event.lane, event.position);
            self.replicas.know(&event.stream, event.position);
        }
        answers
    }

    async fn read_lane(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, LogError> {
        if lane.0 >= self.lanes {
            return Ok(Vec::new());
        }
        let read = read!(self.pool, connection, {
            read::lane(connection, &self.names, lane, after, limit).await
        });
        let events = read?;
        self.replicas.know_all(&events);
        if let Some(last) = events.last() {
            self.tails.raise(lane, last.position);
        }
        Ok(events)
    }

    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError> {
        let lane = stream.lane(self.lanes);
        let read = read!(self.pool, connection, read::head(connection, stream, lane).await);
        let head = read?;
        if let Some(head) = &head {
            self.tails.raise(lane, head.position);
            self.replicas.know(stream, head.position);
        }
        Ok(head)
    }

    async fn version_at(&self, stream: &StreamName, time_us: i64) -> Result<Version, LogError> {
        let reading = self.replicas.of_streams(&std::iter::once(stream));
        read_anywhere!(self, reading, connection, {
            read::version_at(connection, stream, time_us).await
        })
    }

    fn tail(&self, lane: Lane) -> watch::Receiver<Position> {
        self.tails.subscribe(lane)
    }

    fn tail_observations(&self, lane: Lane) -> Option<watch::Receiver<TailObservation>> {
        self.tails.observations(lane)
    }

    fn local_runs(&self, lane: Lane, after: Position) -> Option<RangeInclusive<Position>> {
        self.tails.local_runs(lane, after)
    }

    fn know(&self, events: &[Event]) {
        self.replicas.know_all(events);
    }

    fn refresh_tail(&self) {
        self.tails.refresh();
    }

    async fn verify(&self) -> Result<VerifyReport, LogError> {
        verify::verify(&self.pool).await
    }

    async fn ping(&self) -> Result<(), LogError> {
        read!(self.pool, connection, {
            sqlx::query("SELECT one FROM store")
                .fetch_one(connection)
                .await
                .map(drop)
                .map_err(log_error)
        })
    }
}

/// Whoever reads after this answer finds what it tells of. A conflict tells that there is more than was
/// known, and its lane was looked at for it.
fn know_of(answer: &Result<Appended, AppendError>, replicas: &Replicas, tails: &Tails, lanes: u16) {
    match answer {
        Ok(appended) => {
            for part in &appended.streams {
                replicas.know(&part.stream, part.last_position);
            }
        }
        Err(AppendError::Conflict { stream, .. }) => {
            replicas.know(stream, tails.position(stream.lane(lanes)));
        }
        Err(_) => {}
    }
}

fn check(append: &Append, lanes: u16) -> Result<(), AppendError> {
    append.check(lanes)?;
    // The column is text, which takes any character but this one.
    if append.streams.iter().flat_map(|s| &s.events).any(|e| e.kind.contains('\0')) {
        return Err(AppendError::Invalid("event kind with a NUL character".to_owned()));
    }
    Ok(())
}

fn writer_ended() -> AppendError {
    LogError::Unresolved("the writer ended".to_owned()).into()
}
