//! `gamemesh memory forget`.

use clap::Args;
use gamemesh_contracts::memory::v1 as pb;
use serde_json::json;

use super::{Services, refused};
use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Collection of the memory
    #[arg(required_unless_present = "subject")]
    collection: Option<String>,
    /// Its owner
    #[arg(required_unless_present = "subject")]
    npc: Option<String>,
    /// Id of the memory
    #[arg(required_unless_present = "subject")]
    memory: Option<String>,
    /// Erase it, with what was concluded from it
    #[arg(long)]
    hard: bool,
    /// Erase everything about this subject, in all collections
    #[arg(long, value_name = "ID", conflicts_with = "memory")]
    subject: Option<String>,
}

pub(super) async fn run(services: Services, args: ForgetArgs, out: Output) -> Outcome {
    let mut memories = services.memories;
    if let Some(subject_id) = args.subject {
        let collection_id = args.collection.unwrap_or_default();
        let request = pb::EraseSubjectRequest { subject_id, collection_id };
        let answer = memories.erase_subject(request).await.map_err(refused)?.into_inner();
        let (memories, history) = (answer.memories, answer.history);
        out.answer(&json!({ "memories": memories, "history": history }), || {
            format!("{memories} memories and {history} entries of history erased")
        })?;
        return Ok(Exit::Done);
    }
    let missing = || Problem::usage("a memory is named by collection, NPC and id");
    let request = pb::ForgetMemoryRequest {
        collection_id: args.collection.ok_or_else(missing)?,
        npc_id: args.npc.ok_or_else(missing)?,
        memory_id: args.memory.ok_or_else(missing)?,
        hard: args.hard,
    };
    let answer = memories.forget_memory(request).await.map_err(refused)?.into_inner();
    let forgotten = answer.forgotten;
    out.answer(&json!({ "forgotten": forgotten }), || format!("{forgotten} forgotten"))?;
    Ok(Exit::Done)
}
