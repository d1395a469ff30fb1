use std::collections::HashMap;
use std::sync::Arc;

use futures::future::join_all;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_documents::{ANSWER_BYTES_MAX, Filling};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::caller::Caller;
use pb::entity_result::Result as One;
use prost::Message as _;

use crate::convert::refusal::to_refusal;
use crate::game::Game;

const IDS_MAX: usize = 1_000;

/// Reads that wait for the store together.
const TOGETHER_MAX: usize = 64;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::BatchGetEntitiesRequest,
) -> Result<pb::BatchGetEntitiesResponse> {
    let pb::BatchGetEntitiesRequest { entity_ids, token } = request;
    if !(1..=IDS_MAX).contains(&entity_ids.len()) {
        return Err(Error::invalid("entityIds", format!("accepts 1 to {IDS_MAX}")));
    }
    caller.may_read_many()?;
    // Ids that repeat others are read once.
    let mut distinct: Vec<&str> = Vec::with_capacity(entity_ids.len());
    let mut known = HashMap::with_capacity(entity_ids.len());
    for id in &entity_ids {
        known.entry(&**id).or_insert_with(|| {
            distinct.push(id);
            distinct.len() - 1
        });
    }
    let (mut read, mut filling) = (Vec::with_capacity(distinct.len()), Filling::default());
    while read.len() < distinct.len() && !filling.is_full() {
        let count = filling.next_read(TOGETHER_MAX).min(distinct.len() - read.len());
        let ids = &distinct[read.len()..][..count];
        for result in join_all(ids.iter().map(|id| game.get_entity(id, &token))).await {
            let result = match result {
                Ok(entity) => One::Entity(entity),
                Err(error) => One::Refusal(to_refusal(&error)),
            };
            let result = pb::EntityResult { result: Some(result) };
            filling.add(result.encoded_len());
            read.push(result);
        }
    }
    let mut filling = Filling::default();
    let results = entity_ids.iter().map(|id| match known.get(&**id).and_then(|at| read.get(*at)) {
        Some(result) if !filling.is_full() => {
            filling.add(result.encoded_len());
            result.clone()
        }
        _ => left_out(),
    });
    let results = results.collect();
    caller.has_read(read.len(), filling.bytes());
    Ok(pb::BatchGetEntitiesResponse { results })
}

/// For an id that the answer has no room for.
fn left_out() -> pb::EntityResult {
    let what = "the answer is full: ask for this id in another call";
    let error =
        Error::new(Code::PayloadTooLarge, what).with_fact("answerBytesMax", ANSWER_BYTES_MAX);
    pb::EntityResult { result: Some(One::Refusal(to_refusal(&error))) }
}
