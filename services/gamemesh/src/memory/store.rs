//! `gamemesh memory store`.

use clap::Args;
use gamemesh_contracts::memory::v1 as pb;

use super::{Services, object, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    collection: String,
    npc: String,
    /// What is remembered
    text: String,
    /// observation, reflection, fact, goal or conversation
    #[arg(long, default_value = "observation", value_parser = kind)]
    kind: pb::MemoryKind,
    /// How much it matters, 0 to 10
    #[arg(long)]
    importance: Option<f64>,
    /// Whom it is about
    #[arg(long, value_name = "ID")]
    subject: Vec<String>,
    /// Who was there, and may know of it
    #[arg(long, value_name = "ID")]
    witness: Vec<String>,
    /// Every NPC may know of it
    #[arg(long, conflicts_with = "witness")]
    shared: bool,
    /// What it can be filtered by, as a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Never forget it for want of room
    #[arg(long)]
    pin: bool,
    /// Makes a retry the same memory
    #[arg(long, default_value = "", hide_default_value = true)]
    key: String,
}

pub(super) fn kind(text: &str) -> Result<pb::MemoryKind, String> {
    pb::MemoryKind::from_str_name(&format!("MEMORY_KIND_{}", text.to_uppercase()))
        .ok_or_else(|| "accepts observation, reflection, fact, goal or conversation".to_owned())
}

pub(super) async fn run(services: Services, args: StoreArgs, out: Output) -> Outcome {
    let visibility = match (args.shared, args.witness.is_empty()) {
        (true, _) => pb::Visibility::Shared,
        (false, false) => pb::Visibility::Witnesses,
        (false, true) => pb::Visibility::Private,
    };
    let content = pb::MemoryContent {
        text: args.text,
        kind: args.kind.into(),
        importance: args.importance,
        subjects: args.subject,
        witnesses: args.witness,
        visibility: visibility.into(),
        metadata: args.metadata.as_deref().map(object).transpose()?,
        pinned: args.pin,
        ..pb::MemoryContent::default()
    };
    let request = pb::StoreMemoryRequest {
        collection_id: args.collection,
        npc_id: args.npc,
        content: Some(content),
        idempotency_key: args.key,
    };
    let mut memories = services.memories;
    let answer = memories.store_memory(request).await.map_err(refused)?.into_inner();
    let document = shown("StoreMemoryResponse", &answer);
    out.answer(&document, || {
        let memory = answer.memory.unwrap_or_default();
        let repeated = if answer.repeated_write { " (stored before)" } else { "" };
        let evicted = match answer.evicted.len() {
            0 => String::new(),
            count => format!("; {count} forgotten to make room"),
        };
        format!("{}{repeated}{evicted}", memory.memory_id)
    })?;
    Ok(Exit::Done)
}
