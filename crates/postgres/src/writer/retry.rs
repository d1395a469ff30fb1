//! Is a failed expectation the retry of an append that succeeded? Its place in the log tells.

use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, LogError, NewEvent, StreamAppended,
    StreamName, Version,
};
use sqlx::PgConnection;

use super::plan::Plan;
use crate::read;

/// The answer to an append whose expectation failed. The outer error is one of the database.
pub(super) async fn read_back(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
    append: &Append,
    conflict: AppendError,
) -> Result<Result<Appended, AppendError>, LogError> {
    let mut time_us = i64::MIN;
    let mut reused = None;
    let mut streams = Vec::with_capacity(append.streams.len());
    for part in &append.streams {
        let (Some(version), false) = (part.expected.version(), part.events.is_empty()) else {
            streams.push(condition(plan, &part.stream));
            continue;
        };
        let count = part.events.len();
        let recorded = recorded(connection, plan, &part.stream, version + 1, count).await?;
        let Some(last) = recorded.last().filter(|_| same_ids(&recorded, &part.events)) else {
            return Ok(Err(conflict));
        };
        time_us = time_us.max(last.time_us);
        reused = reused.or_else(|| reused_id(&recorded, &part.events));
        streams.push(StreamAppended {
            stream: part.stream.clone(),
            lane: last.lane,
            first_version: version + 1,
            last_version: last.version,
            last_position: last.position,
        });
    }
    Ok(match reused {
        Some(error) => Err(error),
        None => Ok(Appended { streams, time_us, repeated: true }),
    })
}

fn same_ids(recorded: &[Event], offered: &[NewEvent]) -> bool {
    recorded.iter().map(|event| event.id).eq(offered.iter().map(|event| event.id))
}

/// The first event whose id is the same and whose content is not.
fn reused_id(recorded: &[Event], offered: &[NewEvent]) -> Option<AppendError> {
    recorded
        .iter()
        .zip(offered)
        .find(|(event, offered)| !event.is_retry_of(offered))
        .map(|(event, _)| AppendError::EventIdReused { id: event.id })
}

fn condition(plan: &Plan<'_>, stream: &StreamName) -> StreamAppended {
    let head = plan.head(stream);
    StreamAppended {
        stream: stream.clone(),
        lane: plan.lane_of(stream),
        first_version: head.version + 1,
        last_version: head.version,
        last_position: head.position,
    }
}

/// Events of a stream from the database and from this batch.
async fn recorded(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
    stream: &StreamName,
    from: Version,
    count: usize,
) -> Result<Vec<Event>, LogError> {
    let pending: Vec<_> =
        plan.pending(stream).filter(|event| event.version >= from).take(count).collect();
    let mut recorded = match pending.first() {
        Some(first) if first.version == from => Vec::new(),
        _ => {
            let lane = plan.lane_of(stream);
            read::stream(connection, stream, lane, from, count, Direction::Forward).await?
        }
    };
    let missing = count - recorded.len();
    recorded.extend(pending.into_iter().take(missing).cloned());
    Ok(recorded)
}
