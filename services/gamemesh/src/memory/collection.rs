//! `gamemesh memory collection`.

use clap::Subcommand;
use gamemesh_contracts::memory::v1 as pb;

use super::{Services, read, refused, shown};
use crate::exit::{Exit, Outcome, Problem};
use crate::output::{Output, table};

#[derive(Debug, Subcommand)]
pub(crate) enum CollectionCommand {
    /// Make a collection, or change what can be changed of one
    Put {
        collection: String,
        /// Numbers of a vector
        #[arg(long, default_value_t = 384)]
        dimension: i32,
        /// The model of its vectors: name, or name@version
        #[arg(long, default_value = "all-MiniLM-L6-v2")]
        model: String,
        /// Metadata that filters may ask for
        #[arg(long, value_name = "NAME")]
        filterable: Vec<String>,
        /// Memories of one NPC; 0 for no bound
        #[arg(long, default_value_t = 0)]
        budget: i32,
        /// Everything as one JSON object instead, as over REST
        #[arg(long, value_name = "JSON")]
        json_body: Option<String>,
    },
    /// Show a collection with how far its vectors are
    Get { collection: String },
    /// List the collections
    List,
}

pub(super) async fn run(services: Services, command: CollectionCommand, out: Output) -> Outcome {
    let mut memories = services.memories;
    let collection = match command {
        CollectionCommand::Put {
            collection: id,
            dimension,
            model,
            filterable,
            budget,
            json_body,
        } => {
            let (name, version) = model.split_once('@').unwrap_or((&model, ""));
            let collection = match json_body {
                Some(text) => read("Collection", &text)?,
                None => pb::Collection {
                    dimension,
                    model: Some(pb::Model { name: name.to_owned(), version: version.to_owned() }),
                    filterable,
                    budget,
                    ..pb::Collection::default()
                },
            };
            let request = pb::PutCollectionRequest {
                collection_id: id,
                collection: Some(collection),
                expected_version: None,
            };
            memories.put_collection(request).await.map_err(refused)?.into_inner().collection
        }
        CollectionCommand::Get { collection } => {
            let request = pb::GetCollectionRequest { collection_id: collection };
            memories.get_collection(request).await.map_err(refused)?.into_inner().collection
        }
        CollectionCommand::List => {
            let answer = memories.list_collections(pb::ListCollectionsRequest {}).await;
            let all = answer.map_err(refused)?.into_inner().collections;
            let documents: Vec<_> = all.iter().map(|one| shown("Collection", one)).collect();
            out.answer(&documents, || {
                let rows = all.iter().map(|one| {
                    let model = one.model.clone().unwrap_or_default();
                    [one.collection_id.clone(), one.dimension.to_string(), model.name]
                });
                table(["collection", "dimension", "model"], rows)
            })?;
            return Ok(Exit::Done);
        }
    };
    let collection = collection.ok_or_else(|| Problem::failed("the answer is empty"))?;
    out.document(&shown("Collection", &collection))?;
    Ok(Exit::Done)
}
