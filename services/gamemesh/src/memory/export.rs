//! `gamemesh memory export`.

use std::path::PathBuf;

use clap::Args;
use gamemesh_contracts::memory::v1 as pb;
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufWriter};

use super::{Services, refused, shown};
use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;
use crate::progress;

/// Memories that one call asks for.
const PAGE: i32 = 500;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    collection: String,
    npc: String,
    /// With the vectors
    #[arg(long)]
    vectors: bool,
    /// File to write; standard output if absent
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// The NPC's own memories, each with its id as the key that makes a second import the same memory.
pub(super) async fn run(services: Services, args: ExportArgs, out: Output) -> Outcome {
    let sink: Box<dyn AsyncWrite + Unpin> = match &args.output {
        Some(path) => Box::new(
            tokio::fs::File::create(path)
                .await
                .map_err(|error| Problem::usage(format!("{}: {error}", path.display())))?,
        ),
        None => Box::new(tokio::io::stdout()),
    };
    let mut sink = BufWriter::new(sink);
    let bar = progress::bar(out, None, "memories");
    let mut memories = services.memories;
    let (mut page_token, mut count) = (String::new(), 0_u64);
    loop {
        let request = pb::ListMemoriesRequest {
            collection_id: args.collection.clone(),
            npc_id: args.npc.clone(),
            filter: Some(pb::MemoryFilter {
                own_only: true,
                any_validity: true,
                ..pb::MemoryFilter::default()
            }),
            page_size: PAGE,
            page_token,
            with_vectors: args.vectors,
        };
        let page = memories.list_memories(request).await.map_err(refused)?.into_inner();
        for memory in page.memories {
            let mut content = shown("MemoryContent", &memory.content.unwrap_or_default());
            if let Some(content) = content.as_object_mut() {
                content.retain(|_, value| !value.is_null());
            }
            let line = json!({
                "npcId": memory.npc_id, "content": content, "idempotencyKey": memory.memory_id,
            });
            sink.write_all(line.to_string().as_bytes()).await?;
            sink.write_all(b"\n").await?;
            count += 1;
        }
        bar.set_position(count);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    sink.flush().await?;
    bar.finish_and_clear();
    out.note(&format!("{count} memories"));
    Ok(Exit::Done)
}
