//! `gamemesh memory list`.

use clap::Args;
use gamemesh_contracts::memory::v1 as pb;

use super::{Services, line, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    collection: String,
    npc: String,
    /// A predicate such as 'kind = "fact"'
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// Forgotten ones, too
    #[arg(long)]
    forgotten: bool,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: i32,
}

pub(super) async fn run(services: Services, args: ListArgs, out: Output) -> Outcome {
    let request = pb::ListMemoriesRequest {
        collection_id: args.collection,
        npc_id: args.npc,
        filter: Some(pb::MemoryFilter {
            filter: args.filter,
            with_forgotten: args.forgotten,
            ..pb::MemoryFilter::default()
        }),
        page_size: args.limit,
        ..pb::ListMemoriesRequest::default()
    };
    let mut memories = services.memories;
    let answer = memories.list_memories(request).await.map_err(refused)?.into_inner();
    if out.is_json() {
        for memory in &answer.memories {
            out.document(&shown("Memory", memory))?;
        }
        return Ok(Exit::Done);
    }
    let rows = answer.memories.iter().map(|memory| {
        let content = memory.content.clone().unwrap_or_default();
        let kind = content.kind().as_str_name().trim_start_matches("MEMORY_KIND_").to_lowercase();
        let importance = content.importance.map(|n| n.to_string()).unwrap_or_default();
        [memory.memory_id.clone(), kind, importance, line(&content.text)]
    });
    out.text(&table(["memory", "kind", "importance", "text"], rows))?;
    Ok(Exit::Done)
}
