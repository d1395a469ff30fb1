//! Is a failed expectation the retry of an append that succeeded? Its place in the log tells.

use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, LogError, NewEvent, StreamAppended,
    StreamName, Version,
};
use sqlx::SqliteConnection;

use super::plan::{Outcome, Plan};
use crate::read::{self, LANE};

/// The answer to an append whose expectation failed.
pub(super) async fn read_back(
    connection: &mut SqliteConnection,
    plan: &Plan,
    append: &Append,
    conflict: AppendError,
) -> Outcome {
    let mut rests = false;
    let mut time_us = i64::MIN;
    let mut reused = None;
    let mut streams = Vec::with_capacity(append.streams.len());
    for part in &append.streams {
        let (Some(version), false) = (part.expected.version(), part.events.is_empty()) else {
            streams.push(condition(plan, &part.stream));
            continue;
        };
        let count = part.events.len();
        let recorded = match recorded(connection, plan, &part.stream, version + 1, count).await {
            Ok(recorded) => recorded,
            Err(error) => return Outcome { result: Err(error.into()), rests: false },
        };
        rests |= recorded.iter().any(|event| plan.is_pending(event.position));
        let Some(last) = recorded.last().filter(|_| same_ids(&recorded, &part.events)) else {
            let actual = plan.head(&part.stream);
            let rests = rests || plan.is_pending(actual.position);
            return Outcome { result: Err(conflict), rests };
        };
        time_us = time_us.max(last.time_us);
        reused = reused.or_else(|| reused_id(&recorded, &part.events));
        streams.push(StreamAppended {
            stream: part.stream.clone(),
            lane: LANE,
            first_version: version + 1,
            last_version: last.version,
            last_position: last.position,
        });
    }
    let result = match reused {
        Some(error) => Err(error),
        None => Ok(Appended { streams, time_us, repeated: true }),
    };
    Outcome { result, rests }
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

fn condition(plan: &Plan, stream: &StreamName) -> StreamAppended {
    let head = plan.head(stream);
    StreamAppended {
        stream: stream.clone(),
        lane: LANE,
        first_version: head.version + 1,
        last_version: head.version,
        last_position: head.position,
    }
}

/// Events of a stream from the disk and from this batch.
async fn recorded(
    connection: &mut SqliteConnection,
    plan: &Plan,
    stream: &StreamName,
    from: Version,
    count: usize,
) -> Result<Vec<Event>, LogError> {
    let pending = plan.events.iter().filter(|event| event.stream == *stream);
    let pending: Vec<_> = pending.filter(|event| event.version >= from).take(count).collect();
    let mut recorded = match pending.first() {
        Some(first) if first.version == from => Vec::new(),
        _ => read::stream(connection, stream, from, count, Direction::Forward).await?,
    };
    let missing = count - recorded.len();
    recorded.extend(pending.into_iter().take(missing).cloned());
    Ok(recorded)
}
