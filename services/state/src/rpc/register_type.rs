mod existing;

use std::sync::Arc;

use gamemesh_contracts::state::v1::{RegisterTypeRequest, RegisterTypeResponse};
use gamemesh_documents::{schema_of_types, type_stream};
use gamemesh_domain::document::{Command, Schema};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use self::existing::Existing;
use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: RegisterTypeRequest,
) -> Result<Answer<RegisterTypeResponse>> {
    let idempotency = caller.idempotency("RegisterType", "", &request)?;
    let expected = caller.expectation(None, false)?;
    let metadata = caller.metadata(&engine.region, "")?;
    let mut schema = request.schema.ok_or_else(|| Error::invalid("schema", "is required"))?;
    if schema.r#type.is_empty() {
        schema.r#type.clone_from(&request.r#type);
    }
    if schema.r#type != request.r#type {
        return Err(Error::invalid("schema.type", "accepts the type of the path, or nothing"));
    }
    let declaration = convert::schema::from_schema(schema)?;
    // Refused here rather than after it has been stored.
    let declared = Schema::new(declaration.clone())?;
    engine.documents.types.check(&declaration)?;
    let Existing { examined, unfit, unfit_ids } = existing::examine(&engine, &declared).await?;
    let response = |schema: &Schema| RegisterTypeResponse {
        schema: Some(convert::schema::to_schema(schema.declaration())),
        examined: examined as i64,
        unfit: unfit as i64,
        unfit_ids,
    };
    if request.dry_run {
        return Ok(Answer::new(response(&declared)));
    }
    let stream = type_stream(&declaration.type_name);
    let state = convert::schema::state_from_declaration(&declaration);
    let command = Command::Replace { state, create_missing: true };
    let part = parse::part((stream, schema_of_types()?), expected, command);
    let (aggregate, write) = parse::write_one(&engine, part, idempotency, metadata).await?;
    let schema = engine.documents.types.put(declaration, aggregate.version)?;
    Ok(Answer::written(response(&schema), &write))
}
