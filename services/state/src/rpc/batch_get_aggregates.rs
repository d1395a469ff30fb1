use std::collections::HashMap;
use std::sync::Arc;

use futures::future::join_all;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{ANSWER_BYTES_MAX, Answered, Filling, Freshness};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::StreamName;
use gamemesh_rpc::caller::Caller;
use pb::batch_get_result::Result as Outcome;
use prost::Message as _;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::convert::refusal::to_refusal;
use crate::engine::Engine;

const KEYS_MAX: usize = 1_000;

/// Keys that are read at once: those that are not cached go to the store together.
const AT_ONCE_MAX: usize = 64;

/// Memory of the documents that are read for one answer: they are larger there than in their wire form.
const READ_BYTES_MAX: usize = 4 * ANSWER_BYTES_MAX;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::BatchGetAggregatesRequest,
) -> Result<Answer<pb::BatchGetAggregatesResponse>> {
    if request.keys.len() > KEYS_MAX {
        return Err(Error::invalid("keys", format!("accepts at most {KEYS_MAX}")));
    }
    let pb::BatchGetAggregatesRequest { consistency, token, max_age, .. } = &request;
    let freshness = parse::freshness(&engine, *consistency, token, max_age.as_ref())?;
    caller.may_read_many()?;
    // What asks the store for each head does so one by one: the store's queue is short, and refuses.
    let at_once = match freshness {
        Freshness::Strong | Freshness::Bounded(_) => 1,
        Freshness::AtLeast(_) | Freshness::Any => AT_ONCE_MAX,
    };
    let distinct = Distinct::of(&request.keys);
    let mut answers = Vec::with_capacity(distinct.keys.len());
    let mut filling = Filling::up_to(READ_BYTES_MAX);
    while answers.len() < distinct.keys.len() && !filling.is_full() {
        let left = &distinct.keys[answers.len()..];
        let count = filling.next_read(at_once).min(left.len());
        let reads = left[..count].iter().map(|key| read(&engine, &caller, key, &freshness));
        for answer in join_all(reads).await {
            filling.add(answer.as_ref().map_or(0, |(_, answered)| answered.aggregate.size_bytes()));
            answers.push(answer);
        }
    }
    together(&engine, &freshness, &mut answers).await?;
    let mut page =
        Results { engine: &engine, answers: &answers, bytes: parse::PageBytes::default() };
    let results = page.at(&distinct.places);
    caller.has_read(answers.len(), page.bytes.taken());
    Ok(Answer::new(pb::BatchGetAggregatesResponse { results }))
}

/// Keys without their repetitions, and which of them stands where.
struct Distinct<'a> {
    keys: Vec<&'a pb::AggregateKey>,
    places: Vec<usize>,
}

impl<'a> Distinct<'a> {
    fn of(asked: &'a [pb::AggregateKey]) -> Self {
        let mut keys = Vec::with_capacity(asked.len());
        let mut known = HashMap::with_capacity(asked.len());
        let places = asked.iter().map(|key| {
            *known.entry((&*key.r#type, &*key.id)).or_insert_with(|| {
                keys.push(key);
                keys.len() - 1
            })
        });
        let places = places.collect();
        Self { keys, places }
    }
}

/// What was read, as far as the answer has room for it.
struct Results<'a> {
    engine: &'a Engine,
    answers: &'a [Result<(StreamName, Answered)>],
    bytes: parse::PageBytes,
}

impl Results<'_> {
    /// Answers stand where their keys do, also of keys that repeat others.
    fn at(&mut self, places: &[usize]) -> Vec<pb::BatchGetResult> {
        let mut sizes = vec![None; self.answers.len()];
        let result = |at: &usize| {
            let answer = self.answers.get(*at)?;
            // One that has no room is not made again to find that out.
            if let Some(size) = sizes[*at] {
                return self.bytes.take_bytes(size).then(|| result(self.engine, answer));
            }
            let result = result(self.engine, answer);
            sizes[*at] = Some(result.encoded_len());
            self.bytes.take(&result).then_some(result)
        };
        places.iter().map(result).map(|result| result.unwrap_or_else(left_out)).collect()
    }
}

/// For a key that the answer has no room for.
fn left_out() -> pb::BatchGetResult {
    let what = "the answer has no room for it: ask for it again, with fewer keys";
    let error =
        Error::new(Code::PayloadTooLarge, what).with_fact("answerBytesMax", ANSWER_BYTES_MAX);
    refused(&error)
}

async fn read(
    engine: &Arc<Engine>,
    caller: &Caller,
    key: &pb::AggregateKey,
    freshness: &Freshness,
) -> Result<(StreamName, Answered)> {
    let (stream, _) = parse::target(engine, &key.r#type, &key.id)?;
    caller.may_read(&stream)?;
    let answered = engine.documents.observed_read(&stream, freshness).await?;
    Ok((stream, answered))
}

/// Brings what was read to one moment.
async fn together(
    engine: &Arc<Engine>,
    freshness: &Freshness,
    answers: &mut [Result<(StreamName, Answered)>],
) -> Result<()> {
    let read = || answers.iter().flatten();
    let streams: Vec<_> = read().map(|(stream, _)| stream.clone()).collect();
    let mut found: Vec<_> = read().map(|(_, answered)| answered.clone()).collect();
    let asked: Vec<_> = streams.iter().collect();
    engine.documents.together(&asked, freshness, &mut found).await?;
    for (answer, found) in answers.iter_mut().flatten().zip(found) {
        answer.1 = found;
    }
    Ok(())
}

fn result(engine: &Engine, answer: &Result<(StreamName, Answered)>) -> pb::BatchGetResult {
    let (stream, answered) = match answer {
        Ok((stream, answered)) if answered.aggregate.exists() => (stream, answered),
        Ok((stream, _)) => return refused(&parse::not_found(stream)),
        Err(error) => return refused(error),
    };
    let aggregate = convert::aggregate::to_aggregate(stream, &answered.aggregate);
    pb::BatchGetResult {
        freshness: Some(parse::freshness_of(engine, stream, answered)),
        result: Some(Outcome::Aggregate(aggregate)),
    }
}

fn refused(error: &Error) -> pb::BatchGetResult {
    pb::BatchGetResult { result: Some(Outcome::Refusal(to_refusal(error))), freshness: None }
}
