//! Makes a step on the service, and says what came of it in the terms of the model.

use gamemesh_contracts::state::v1 as pb;
use prost_types::{Struct, Timestamp};
use tonic::{Response, Status};

use super::step::{Act, ActKind, Note, Step, What, When};
use crate::it::calls::reason;
use crate::it::documents::{document, message};
use crate::it::world::Client;

/// What the service answered.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) parts: Vec<Part>,
    pub(super) repeated: bool,
    pub(super) time_us: i64,
}

#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub(super) version: i64,
    /// Where the answer tells it.
    pub(super) state: Option<Struct>,
}

pub(super) async fn perform(client: &Client, step: &Step) -> Result<Observed, String> {
    send(client.clone(), step).await.map_err(|status| reason(&status))
}

async fn send(mut client: Client, step: &Step) -> Result<Observed, Status> {
    let idempotency_key = step.key.clone();
    match &step.what {
        What::Create { at, state } => {
            let request = pb::CreateAggregateRequest {
                r#type: at.0.to_owned(),
                id: at.1.clone(),
                state: Some(document(state)),
                idempotency_key,
                reason: String::new(),
            };
            let answer = client.create_aggregate(request).await?.into_inner();
            Ok(observed(answer.write, Some(told(answer.aggregate))))
        }
        What::Update { at, change, when, create_missing } => {
            let request = pb::UpdateAggregateRequest {
                r#type: at.0.to_owned(),
                id: at.1.clone(),
                change: Some(change.wanted()),
                expected_version: when.version(),
                must_exist: when.must_exist(),
                idempotency_key,
                create_missing: *create_missing,
                ..Default::default()
            };
            let answer = client.update_aggregate(request).await?.into_inner();
            Ok(observed(answer.write, Some(told(answer.aggregate))))
        }
        What::Delete { at, when } => {
            let request = pb::DeleteAggregateRequest {
                r#type: at.0.to_owned(),
                id: at.1.clone(),
                expected_version: when.version(),
                must_exist: when.must_exist(),
                idempotency_key,
                reason: String::new(),
            };
            let answer = client.delete_aggregate(request).await?.into_inner();
            Ok(observed(answer.write, None))
        }
        What::RollBack { at, to, when } => {
            let request = pb::RollbackAggregateRequest {
                r#type: at.0.to_owned(),
                id: at.1.clone(),
                target: Some(pb::rollback_aggregate_request::Target::ToVersion(*to)),
                expected_version: when.version(),
                must_exist: when.must_exist(),
                idempotency_key,
                ..Default::default()
            };
            let answer = client.rollback_aggregate(request).await?.into_inner();
            Ok(observed(answer.write, Some(told(answer.aggregate))))
        }
        What::Append { at, notes, when } => {
            let request = pb::AppendEventsRequest {
                r#type: at.0.to_owned(),
                id: at.1.clone(),
                events: notes.iter().map(note).collect(),
                expected_version: when.version(),
                must_exist: when.must_exist(),
                idempotency_key,
                reason: String::new(),
            };
            let answer = client.append_events(request).await?.into_inner();
            let last = answer.first_version + notes.len() as i64 - 1;
            assert_eq!(answer.write.as_ref().unwrap().version, last, "{step:?}");
            Ok(observed(answer.write, None))
        }
        What::Transact { parts } => {
            let request = pb::TransactRequest {
                parts: parts.iter().map(act).collect(),
                idempotency_key,
                reason: String::new(),
            };
            transacted(client.transact(request).await)
        }
        What::PutPlayer { id, status, gold, when } => {
            put(client, step, id, status, *gold, *when).await
        }
    }
}

async fn put(
    mut client: Client,
    step: &Step,
    id: &str,
    status: &str,
    gold: i32,
    when: When,
) -> Result<Observed, Status> {
    let request = pb::PutPlayerRequest {
        player_id: id.to_owned(),
        player: Some(pb::PlayerState {
            status: status.to_owned(),
            inventory: Some(document(&serde_json::json!({"gold": gold}))),
            ..Default::default()
        }),
        expected_version: when.version(),
        must_exist: when.must_exist(),
        idempotency_key: step.key.clone(),
        ..Default::default()
    };
    let answer = client.put_player(request).await?.into_inner();
    let player = answer.player.unwrap();
    assert_eq!((&*player.player_id, &*player.status), (id, status));
    assert_eq!(player.version, answer.write.as_ref().unwrap().version);
    Ok(observed(answer.write, None))
}

fn observed(write: Option<pb::WriteResult>, state: Option<Struct>) -> Observed {
    let write = write.unwrap();
    Observed {
        parts: vec![Part { version: write.version, state }],
        repeated: write.repeated_write,
        time_us: micros(&write.time.unwrap()),
    }
}

fn transacted(answer: Result<Response<pb::TransactResponse>, Status>) -> Result<Observed, Status> {
    let writes = answer?.into_inner().writes;
    let first = &writes[0];
    assert!(writes.iter().all(|write| write.time == first.time), "{writes:?}");
    let part = |write: &pb::WriteResult| Part { version: write.version, state: None };
    Ok(Observed {
        parts: writes.iter().map(part).collect(),
        repeated: first.repeated_write,
        time_us: micros(&first.time.unwrap()),
    })
}

/// The state of an aggregate; empty if it does not exist.
fn told(aggregate: Option<pb::Aggregate>) -> Struct {
    aggregate.map(|aggregate| aggregate.state.unwrap()).unwrap_or_default()
}

pub(super) fn micros(time: &Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)
}

fn note(note: &Note) -> pb::NewAggregateEvent {
    pb::NewAggregateEvent {
        event_id: note.id.map(|id| id.to_string()).unwrap_or_default(),
        kind: note.kind.clone(),
        data: Some(message(&note.data)),
    }
}

fn act(act: &Act) -> pb::TransactionPart {
    use pb::transaction_part::Action;
    let action = match &act.action {
        None => Action::Check(pb::CheckAction {}),
        Some(ActKind::Create(state)) => Action::Create(document(state)),
        Some(ActKind::Change(change)) => change.action(),
        Some(ActKind::Delete) => Action::Delete(pb::DeleteAction {}),
    };
    pb::TransactionPart {
        r#type: act.at.0.to_owned(),
        id: act.at.1.clone(),
        action: Some(action),
        expected_version: act.expected,
    }
}
