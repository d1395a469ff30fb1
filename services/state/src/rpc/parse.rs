//! What several RPCs read from their requests and put into their answers.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::Tier;
use gamemesh_contracts::common::v1 as common;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{
    ANSWER_BYTES_MAX, Action, Answered, Freshness, Part, Write, Written, WrittenPart,
};
use gamemesh_domain::document::{
    Aggregate, Command, Expectation, Filter, Schema, format_timestamp,
};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::{Cut, Staleness};
use gamemesh_repository::{Direction, Lane, Position, StreamName, Version};
use gamemesh_rpc::caller::Caller;
use prost::Message;
use prost_types::Timestamp;

use crate::convert;
use crate::convert::time::to_timestamp;
use crate::engine::Engine;

/// How stale a bounded read may be at most.
const AGE_MAX: Duration = Duration::from_secs(3_600);

/// An aggregate of a registered type.
pub(super) fn target(
    engine: &Engine,
    aggregate_type: &str,
    id: &str,
) -> Result<(StreamName, Arc<Schema>)> {
    let stream = convert::aggregate::stream(aggregate_type, id)?;
    Ok((stream, engine.documents.types.get(aggregate_type)?))
}

/// A player, whose id requests call `playerId`.
pub(super) fn player(engine: &Engine, id: &str) -> Result<(StreamName, Arc<Schema>)> {
    Ok((
        convert::aggregate::stream_named("player", "playerId", id)?,
        engine.documents.types.get("player")?,
    ))
}

/// A match, whose id requests call `matchId`.
pub(super) fn match_of(engine: &Engine, id: &str) -> Result<(StreamName, Arc<Schema>)> {
    Ok((
        convert::aggregate::stream_named("match", "matchId", id)?,
        engine.documents.types.get("match")?,
    ))
}

pub(super) fn freshness(
    engine: &Engine,
    consistency: i32,
    token: &str,
    max_age: Option<&prost_types::Duration>,
) -> Result<Freshness> {
    let consistency = common::Consistency::try_from(consistency)
        .map_err(|_| Error::invalid("consistency", "accepts a value of Consistency"))?;
    let cut = engine.documents.read_cut(token)?;
    if max_age.is_some() && consistency != common::Consistency::Bounded {
        return Err(Error::invalid("maxAge", "needs consistency CONSISTENCY_BOUNDED"));
    }
    Ok(match consistency {
        common::Consistency::Strong => Freshness::Strong,
        common::Consistency::Unspecified | common::Consistency::AtLeast => Freshness::AtLeast(cut),
        common::Consistency::Any => Freshness::Any,
        common::Consistency::Bounded => {
            let accepted = || Error::invalid("maxAge", "accepts 0s to 3600s");
            let age = max_age.copied().unwrap_or_default();
            let age = Duration::try_from(age).map_err(|_| accepted())?;
            match age <= AGE_MAX {
                true => Freshness::Bounded(age),
                false => return Err(accepted()),
            }
        }
    })
}

/// How fresh an answer is.
pub(super) fn freshness_of(
    engine: &Engine,
    stream: &StreamName,
    answered: &Answered,
) -> common::Freshness {
    common::Freshness {
        version: answered.aggregate.version as i64,
        age: age(answered.staleness),
        tier: match answered.tier {
            Tier::L1 => common::Tier::L1,
            Tier::L2 => common::Tier::L2,
            Tier::Store => common::Tier::Store,
        }
        .into(),
        token: engine.documents.read_token_of(stream),
    }
}

/// For how long something newer could have existed unseen, as the answer is made: a process that slept
/// since it read tells how long.
pub(super) fn age(staleness: Staleness) -> Option<prost_types::Duration> {
    match staleness {
        Staleness::None => Some(prost_types::Duration::default()),
        // An age that does not fit is hundreds of billions of years.
        Staleness::Since(at) => at.elapsed().try_into().ok(),
        Staleness::Unknown => None,
    }
}

/// The result of one part of a write.
pub(super) fn result(engine: &Engine, written: &Written, part: &WrittenPart) -> pb::WriteResult {
    ReadTokens::of(engine).result(written, part)
}

/// Tokens of writes that are answered together: they are durable together, so one token for each lane
/// is as good as one for each write, and a token costs as much as the rest of an answer.
pub(super) struct ReadTokens<'a> {
    engine: &'a Engine,
    issued: Vec<(Lane, Position, String)>,
}

impl<'a> ReadTokens<'a> {
    pub(super) const fn of(engine: &'a Engine) -> Self {
        Self { engine, issued: Vec::new() }
    }

    /// Issues the tokens that cover all of these.
    pub(super) fn cover<'w>(&mut self, writes: impl Iterator<Item = &'w Written>) {
        let mut cut = Cut::default();
        for part in writes.flat_map(|written| &written.parts) {
            cut.raise(part.lane, part.position);
        }
        for (lane, position) in cut.0 {
            let token = self.engine.documents.read_token(Cut::at(lane, position));
            self.issued.push((lane, position, token));
        }
    }

    fn result(&self, written: &Written, part: &WrittenPart) -> pb::WriteResult {
        let mut issued = self.issued.iter();
        let covers = |lane: Lane, position| lane == part.lane && position >= part.position;
        let token = match issued.find(|(lane, position, _)| covers(*lane, *position)) {
            Some((_, _, token)) => token.clone(),
            None => self.engine.documents.read_token(Cut::at(part.lane, part.position)),
        };
        pb::WriteResult {
            version: part.aggregate.version as i64,
            time: Some(to_timestamp(written.time_us)),
            repeated_write: written.repeated,
            token,
        }
    }
}

/// A write of one aggregate by one command.
pub(super) async fn write_one(
    engine: &Arc<Engine>,
    part: Part,
    idempotency: Option<gamemesh_repository::Idempotency>,
    metadata: bytes::Bytes,
) -> Result<(Arc<Aggregate>, pb::WriteResult)> {
    let written =
        engine.documents.write(Write { parts: vec![part], idempotency, metadata }).await?;
    let (part, result) = only_part(&ReadTokens::of(engine), &written)?;
    Ok((part.aggregate.clone(), result))
}

/// What a write of one aggregate did.
pub(super) fn only_part<'w>(
    tokens: &ReadTokens<'_>,
    written: &'w Written,
) -> Result<(&'w WrittenPart, pb::WriteResult)> {
    match &*written.parts {
        [part] => Ok((part, tokens.result(written, part))),
        _ => Err(Error::internal("one part was written and another number answered")),
    }
}

pub(super) fn part(
    (stream, schema): (StreamName, Arc<Schema>),
    expected: gamemesh_domain::document::Expectation,
    command: Command,
) -> Part {
    let action = Action::Commands(vec![command]);
    Part { stream, schema, expected, action, event_ids: Vec::new() }
}

pub(super) fn not_found(stream: &StreamName) -> Error {
    Error::new(Code::NotFound, format!("{} {:?} does not exist", stream.category(), stream.key()))
}

/// A number of items that a caller asks for: 0 stands for `default`, more than `max` is refused.
pub(super) fn count(field: &str, asked: i32, default: usize, max: usize) -> Result<usize> {
    match usize::try_from(asked) {
        Ok(0) => Ok(default),
        Ok(asked) if asked <= max => Ok(asked),
        _ => Err(Error::invalid(field, format!("accepts 1 to {max}, or 0 for {default}"))),
    }
}

/// What fits into one answer, in its wire form.
#[derive(Default)]
pub(super) struct PageBytes {
    taken: usize,
}

impl PageBytes {
    /// Takes an item, unless the page has others and would be too long with it.
    pub(super) fn take(&mut self, item: &impl Message) -> bool {
        self.take_bytes(item.encoded_len())
    }

    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn take_bytes(&mut self, bytes: usize) -> bool {
        let fits = self.taken == 0 || self.taken + bytes <= ANSWER_BYTES_MAX;
        if fits {
            self.taken += bytes;
        }
        fits
    }
}

/// As many of these as fit into one answer, at least one.
pub(super) fn fitting<M: Message>(mut items: Vec<M>) -> Vec<M> {
    let mut page = PageBytes::default();
    let fit = items.iter().take_while(|item| page.take(*item)).count();
    items.truncate(fit);
    items
}

/// What a write of a whole message expects. The version inside it, which the caller has read, counts as
/// the expected one: who reads, changes and writes loses nobody's update.
pub(super) fn whole_expectation(
    caller: &Caller,
    expected_version: Option<i64>,
    must_exist: bool,
    (field, inside): (&str, i64),
) -> Result<Expectation> {
    let inside = (inside != 0).then_some(inside);
    match (expected_version, inside) {
        (Some(expected), Some(inside)) if expected != inside => {
            Err(Error::invalid(field, "contradicts expectedVersion; give one of them"))
        }
        (expected, inside) => caller.expectation(expected.or(inside), must_exist),
    }
}

/// A version that a caller names.
pub(super) fn version(field: &str, version: i64) -> Result<u64> {
    u64::try_from(version).map_err(|_| Error::invalid(field, "accepts 0 to 9223372036854775807"))
}

/// The newest version, also of what another instance acknowledged a moment ago: a caller who was told
/// of a version finds it in the history wherever he asks.
pub(super) async fn newest_version(engine: &Arc<Engine>, stream: &StreamName) -> Result<Version> {
    match engine.documents.read(stream, &Freshness::Strong).await?.aggregate.version {
        0 => Err(not_found(stream)),
        newest => Ok(newest),
    }
}

/// A version that must lie within the history.
pub(super) fn within(field: &str, version: u64, newest: u64) -> Result<u64> {
    match version <= newest {
        true => Ok(version),
        false => {
            let what = format!("accepts 0 to {newest}, the newest version");
            Err(Error::new(Code::OutOfHistory, format!("{field}: {what}"))
                .with_field(field, what)
                .with_fact("actualVersion", newest))
        }
    }
}

/// The version at a time, which must lie between the first event and now, or the last event.
pub(super) async fn version_at(
    engine: &Engine,
    stream: &StreamName,
    field: &str,
    time: &Timestamp,
) -> Result<Version> {
    let time_us = convert::time::from_timestamp(field, time)?;
    let first = engine.documents.log.read_stream(stream, 1, 1, Direction::Forward).await?;
    let first_us = first.first().ok_or_else(|| not_found(stream))?.time_us;
    let last_us = engine.documents.log.head(stream).await?.map_or(first_us, |head| head.time_us);
    // The clock may have been ahead when the last event was made: its own time is no future.
    let newest_us = engine.documents.clock.now_micros().max(last_us);
    if (first_us..=newest_us).contains(&time_us) {
        return Ok(engine.documents.log.version_at(stream, time_us).await?);
    }
    let what = format!("accepts an instant from {} to now", format_timestamp(first_us));
    Err(Error::new(Code::OutOfHistory, format!("{field}: {what}")).with_field(field, what))
}

/// A filter over aggregates of one type, or of any.
pub(super) fn filter(text: &str, schema: Option<&Schema>) -> Result<Filter> {
    let filter: Filter = match text.trim() {
        "" => Filter::all(),
        text => text.parse()?,
    };
    schema.map_or(Ok(()), |schema| filter.check_fields(schema))?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn an_age_is_of_the_moment_of_the_answer() {
        // Stopped for half a minute between the look and the answer.
        let looked = Instant::now().checked_sub(Duration::from_secs(30)).unwrap();
        assert!(age(Staleness::Since(looked)).unwrap().seconds >= 30);
        assert_eq!(age(Staleness::None), Some(prost_types::Duration::default()));
        assert_eq!(age(Staleness::Unknown), None);
    }
}
