//! `gamemesh memory entity`.

use clap::Subcommand;
use gamemesh_contracts::memory::v1 as pb;
use serde_json::{Value, json};

use super::{Services, object, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum EntityCommand {
    /// Show an entity as it is, or as it was at a version
    Get {
        id: String,
        #[arg(long)]
        version: Option<i64>,
    },
    /// Create an entity, or replace its data
    Put {
        id: String,
        /// Its type; not needed for one that exists
        #[arg(long, default_value = "", hide_default_value = true)]
        r#type: String,
        /// A JSON object
        data: String,
        /// Only if it has this version; 0: only if it does not exist
        #[arg(long)]
        expect: Option<i64>,
    },
    /// Change an entity by a merge patch
    Patch {
        id: String,
        /// A JSON object
        patch: String,
        #[arg(long)]
        expect: Option<i64>,
    },
    /// Delete an entity
    Delete { id: String },
    /// List entities by the time of their last change
    List {
        #[arg(long, default_value = "", hide_default_value = true)]
        r#type: String,
        /// A predicate on the data, such as 'hp > 10'
        #[arg(long, default_value = "", hide_default_value = true)]
        filter: String,
        #[arg(long, default_value_t = 50)]
        limit: i32,
    },
    /// List the versions of an entity
    History { id: String },
}

pub(super) async fn run(services: Services, command: EntityCommand, out: Output) -> Outcome {
    let mut game = services.game;
    let entity = match command {
        EntityCommand::Get { id, version } => {
            let request =
                pb::GetEntityRequest { entity_id: id, version, ..pb::GetEntityRequest::default() };
            game.get_entity(request).await.map_err(refused)?.into_inner().entity
        }
        EntityCommand::Put { id, r#type, data, expect } => {
            let request = pb::PutEntityRequest {
                entity_id: id,
                r#type,
                data: Some(object(&data)?),
                expected_version: expect,
                idempotency_key: String::new(),
            };
            game.put_entity(request).await.map_err(refused)?.into_inner().entity
        }
        EntityCommand::Patch { id, patch, expect } => {
            let request = pb::PatchEntityRequest {
                entity_id: id,
                patch: Some(object(&patch)?),
                expected_version: expect,
                idempotency_key: String::new(),
            };
            game.patch_entity(request).await.map_err(refused)?.into_inner().entity
        }
        EntityCommand::Delete { id } => {
            let request =
                pb::DeleteEntityRequest { entity_id: id, ..pb::DeleteEntityRequest::default() };
            let version = game.delete_entity(request).await.map_err(refused)?.into_inner().version;
            out.answer(&json!({ "version": version }), || format!("deleted as {version}"))?;
            return Ok(Exit::Done);
        }
        EntityCommand::List { r#type, filter, limit } => {
            let request = pb::ListEntitiesRequest {
                r#type,
                filter,
                page_size: limit,
                ..pb::ListEntitiesRequest::default()
            };
            let all = game.list_entities(request).await.map_err(refused)?.into_inner().entities;
            return list(&all, out);
        }
        EntityCommand::History { id } => {
            let request = pb::ListEntityHistoryRequest {
                entity_id: id,
                ..pb::ListEntityHistoryRequest::default()
            };
            let answer = game.list_entity_history(request).await.map_err(refused)?.into_inner();
            return history(&answer, out);
        }
    };
    let document = entity.map_or(Value::Null, |entity| shown("Entity", &entity));
    out.document(&document)?;
    Ok(Exit::Done)
}

fn list(all: &[pb::Entity], out: Output) -> Outcome {
    let documents: Vec<Value> = all.iter().map(|one| shown("Entity", one)).collect();
    out.answer(&documents, || {
        let rows = documents
            .iter()
            .map(|one| ["entityId", "type", "version", "data"].map(|name| short(&one[name])));
        table(["entity", "type", "version", "data"], rows)
    })?;
    Ok(Exit::Done)
}

fn history(answer: &pb::ListEntityHistoryResponse, out: Output) -> Outcome {
    let document = shown("ListEntityHistoryResponse", answer);
    out.answer(&document, || {
        let versions = document["versions"].as_array().cloned().unwrap_or_default();
        let rows = versions.iter().map(|one| {
            let data = short(&one["entity"]["data"]);
            [short(&one["version"]), short(&one["time"]), short(&one["kind"]), data]
        });
        table(["version", "time", "kind", "data"], rows)
    })?;
    Ok(Exit::Done)
}
