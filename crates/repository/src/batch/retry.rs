//! Is a failed expectation the retry of an append that succeeded? Its place in the log tells.

use super::{Outcome, Plan};
use crate::{
    Append, AppendError, Appended, Event, NewEvent, StreamAppend, StreamAppended, StreamName,
    Version,
};

/// Events that must be read to tell whether an append is a retry.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub stream: &'a StreamName,
    pub from: Version,
    pub count: usize,
}

impl Plan<'_> {
    /// Where the events of an append stand, if it is a retry: one for each stream that it writes.
    pub fn claims<'p>(&self, append: &'p Append) -> Vec<Claim<'p>> {
        append.streams.iter().filter_map(claim).collect()
    }

    /// Whether a claim is about events of this batch alone: then there is nothing to read.
    pub fn holds(&self, claim: &Claim<'_>) -> bool {
        self.pending(claim).next().is_some_and(|first| first.version == claim.from)
    }

    /// The answer to an append of which an expectation failed. `recorded`: for each of its claims, in
    /// order, what the store has there.
    pub fn read_back(
        &self,
        append: &Append,
        conflict: AppendError,
        recorded: Vec<Vec<Event>>,
    ) -> Outcome {
        let mut depends_on_batch = false;
        let mut time_us = i64::MIN;
        let mut reused = None;
        let mut recorded = recorded.into_iter();
        let mut streams = Vec::with_capacity(append.streams.len());
        for part in &append.streams {
            let Some(claim) = claim(part) else {
                streams.push(self.condition(&part.stream));
                continue;
            };
            let mut events = recorded.next().unwrap_or_default();
            let missing = claim.count.saturating_sub(events.len());
            events.extend(self.pending(&claim).take(missing).cloned());
            depends_on_batch |=
                events.iter().any(|event| self.is_pending(&part.stream, event.position));
            let Some(last) = events.last().filter(|_| same_ids(&events, &part.events)) else {
                let actual = self.head(&part.stream);
                depends_on_batch |= self.is_pending(&part.stream, actual.position);
                return Outcome { result: Err(conflict), depends_on_batch };
            };
            time_us = time_us.max(last.time_us);
            reused = reused.or_else(|| reused_id(&events, &part.events));
            streams.push(StreamAppended {
                stream: part.stream.clone(),
                lane: last.lane,
                first_version: claim.from,
                last_version: last.version,
                last_position: last.position,
            });
        }
        let result = match reused {
            Some(error) => Err(error),
            None => Ok(Appended { streams, time_us, repeated: true }),
        };
        Outcome { result, depends_on_batch }
    }

    /// The events of this batch that a claim is about.
    fn pending<'p>(&'p self, claim: &Claim<'p>) -> impl Iterator<Item = &'p Event> {
        let Claim { stream, from, count } = *claim;
        let events = &self.planned.lanes[self.index(stream)].events;
        let of_stream = events.iter().filter(move |event| event.stream == *stream);
        of_stream.filter(move |event| event.version >= from).take(count)
    }

    fn condition(&self, stream: &StreamName) -> StreamAppended {
        let head = self.head(stream);
        StreamAppended {
            stream: stream.clone(),
            lane: self.lane_of(stream),
            first_version: head.version + 1,
            last_version: head.version,
            last_position: head.position,
        }
    }
}

/// `None`: nothing is written to this stream.
fn claim(part: &StreamAppend) -> Option<Claim<'_>> {
    let version = part.expected.version().filter(|_| !part.events.is_empty())?;
    Some(Claim { stream: &part.stream, from: version + 1, count: part.events.len() })
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
