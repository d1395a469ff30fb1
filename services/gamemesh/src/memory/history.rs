//! `gamemesh memory history`.

use clap::Subcommand;
use gamemesh_contracts::memory::v1 as pb;
use serde_json::Value;

use super::{Services, object, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Note what a player did
    Add {
        player: String,
        action: String,
        /// In which circumstances, as a JSON object
        #[arg(default_value = "{}")]
        context: String,
    },
    /// List what a player did, the newest first
    List {
        player: String,
        #[arg(long, default_value = "", hide_default_value = true)]
        action: String,
        #[arg(long, default_value_t = 50)]
        limit: i32,
    },
    /// List the months that history is kept in
    Partitions,
    /// Take a month out, so that it can be archived
    Detach { table: String },
}

pub(super) async fn run(services: Services, command: HistoryCommand, out: Output) -> Outcome {
    let mut game = services.game;
    match command {
        HistoryCommand::Add { player, action, context } => {
            let entry = pb::HistoryEntry {
                action,
                context: Some(object(&context)?),
                ..pb::HistoryEntry::default()
            };
            let request = pb::AppendHistoryRequest { player_id: player, entries: vec![entry] };
            let answer = game.append_history(request).await.map_err(refused)?.into_inner();
            out.document(&shown("AppendHistoryResponse", &answer))?;
        }
        HistoryCommand::List { player, action, limit } => {
            let request = pb::ListHistoryRequest {
                player_id: player,
                action,
                page_size: limit,
                ..pb::ListHistoryRequest::default()
            };
            let answer = game.list_history(request).await.map_err(refused)?.into_inner();
            let documents: Vec<Value> =
                answer.entries.iter().map(|entry| shown("HistoryEntry", entry)).collect();
            out.answer(&documents, || {
                let rows = documents
                    .iter()
                    .map(|entry| ["time", "action", "context"].map(|name| short(&entry[name])));
                table(["time", "action", "context"], rows)
            })?;
        }
        HistoryCommand::Partitions => {
            let answer = game.list_history_partitions(pb::ListHistoryPartitionsRequest {}).await;
            let answer = answer.map_err(refused)?.into_inner();
            let documents: Vec<Value> =
                answer.partitions.iter().map(|one| shown("HistoryPartition", one)).collect();
            out.answer(&documents, || {
                let names = ["name", "fromTime", "untilTime", "entries"];
                let rows = documents.iter().map(|one| names.map(|name| short(&one[name])));
                table(["table", "from", "until", "entries"], rows)
            })?;
        }
        HistoryCommand::Detach { table } => {
            let request = pb::DetachHistoryPartitionRequest { name: table };
            let answer = game.detach_history_partition(request).await.map_err(refused)?;
            out.document(&shown("DetachHistoryPartitionResponse", &answer.into_inner()))?;
        }
    }
    Ok(Exit::Done)
}
