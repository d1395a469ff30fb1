//! Requests that many tests make, and what they look at in the answers.

use gamemesh_contracts::state::v1 as pb;
use pb::update_aggregate_request::Change;
use serde_json::Value as Json;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::documents::{document, message};
use super::world::Client;

/// The stable reason of an error.
pub(super) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.unwrap_or_else(|| panic!("an error without a reason: {status:?}")).reason
}

/// A fact that an error tells.
pub(super) fn fact(status: &Status, name: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.get(name).cloned()
}

/// The fields that an error names.
pub(super) fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|request| request.field_violations);
    violations.unwrap_or_default().into_iter().map(|violation| violation.field).collect()
}

pub(super) async fn create(
    client: &Client,
    aggregate_type: &str,
    id: &str,
    state: &Json,
) -> Result<pb::CreateAggregateResponse, Status> {
    let request = pb::CreateAggregateRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        state: Some(document(state)),
        ..Default::default()
    };
    client.clone().create_aggregate(request).await.map(tonic::Response::into_inner)
}

pub(super) async fn get(
    client: &Client,
    aggregate_type: &str,
    id: &str,
) -> Result<pb::GetAggregateResponse, Status> {
    let request = pb::GetAggregateRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        ..Default::default()
    };
    client.clone().get_aggregate(request).await.map(tonic::Response::into_inner)
}

/// The aggregate as it was at a version.
pub(super) async fn at_version(
    client: &Client,
    aggregate_type: &str,
    id: &str,
    version: i64,
) -> Result<pb::Aggregate, Status> {
    let request = pb::GetAggregateRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        version: Some(version),
        ..Default::default()
    };
    let answer = client.clone().get_aggregate(request).await?.into_inner();
    Ok(answer.aggregate.unwrap())
}

pub(super) async fn update(
    client: &Client,
    request: pb::UpdateAggregateRequest,
) -> Result<pb::UpdateAggregateResponse, Status> {
    client.clone().update_aggregate(request).await.map(tonic::Response::into_inner)
}

/// Adds to a number, creating the aggregate if need be.
pub(super) async fn increment(
    client: &Client,
    aggregate_type: &str,
    id: &str,
    path: &str,
    by: f64,
) -> Result<pb::UpdateAggregateResponse, Status> {
    let request = operations(aggregate_type, id, vec![incremented(path, by)]);
    update(client, pb::UpdateAggregateRequest { create_missing: true, ..request }).await
}

pub(super) fn merge(aggregate_type: &str, id: &str, patch: &Json) -> pb::UpdateAggregateRequest {
    changed(aggregate_type, id, Change::MergePatch(document(patch)))
}

pub(super) fn operations(
    aggregate_type: &str,
    id: &str,
    operations: Vec<pb::Operation>,
) -> pb::UpdateAggregateRequest {
    changed(aggregate_type, id, Change::Operations(pb::Operations { operations }))
}

pub(super) fn changed(
    aggregate_type: &str,
    id: &str,
    change: Change,
) -> pb::UpdateAggregateRequest {
    pb::UpdateAggregateRequest {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        change: Some(change),
        ..Default::default()
    }
}

pub(super) fn incremented(path: &str, by: f64) -> pb::Operation {
    let increment = pb::IncrementOperation { path: path.to_owned(), by, ..Default::default() };
    pb::Operation { kind: Some(pb::operation::Kind::Increment(increment)) }
}

pub(super) fn set(path: &str, value: &Json) -> pb::Operation {
    let set = pb::SetOperation { path: path.to_owned(), value: Some(message(value)) };
    pb::Operation { kind: Some(pb::operation::Kind::Set(set)) }
}

/// The part of a transaction that does something to one aggregate.
pub(super) fn part(
    aggregate_type: &str,
    id: &str,
    action: pb::transaction_part::Action,
) -> pb::TransactionPart {
    pb::TransactionPart {
        r#type: aggregate_type.to_owned(),
        id: id.to_owned(),
        action: Some(action),
        expected_version: None,
    }
}
