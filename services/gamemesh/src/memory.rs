//! `gamemesh memory`: what NPCs remember, what the world is, what was done in it, on a running server.

mod collection;
mod entity;
mod export;
mod forget;
mod history;
mod import;
mod list;
mod narrative;
mod recall;
mod store;
mod world;

use std::time::Duration;

use clap::{Args, Subcommand};
use gamemesh_contracts::memory::v1::game_state_service_client::GameStateServiceClient;
use gamemesh_contracts::memory::v1::memory_service_client::MemoryServiceClient;
use prost::Message;
use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::exit::{Exit, Outcome, Problem};
use crate::json;
use crate::output::Output;

/// Size of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// The server.
    #[arg(long, env = "GAMEMESH_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Bearer token.
    #[arg(long, env = "GAMEMESH_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Longest time for one call, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400), global = true)]
    timeout: u64,
    #[command(subcommand)]
    command: MemoryCommand,
}

#[derive(Debug, Subcommand)]
enum MemoryCommand {
    /// Make, show or list collections
    #[command(subcommand)]
    Collection(collection::CollectionCommand),
    /// Store a memory of an NPC
    Store(store::StoreArgs),
    /// Ask what comes to an NPC's mind
    Recall(recall::RecallArgs),
    /// As recall, and say of each memory why
    Explain(recall::RecallArgs),
    /// List what an NPC remembers
    List(list::ListArgs),
    /// Forget a memory, or erase it
    Forget(forget::ForgetArgs),
    /// Store memories from NDJSON
    Import(import::ImportArgs),
    /// Write an NPC's memories to NDJSON
    Export(export::ExportArgs),
    /// Entities: get, put, patch, delete, list, history
    #[command(subcommand)]
    Entity(entity::EntityCommand),
    /// Worlds: get, declare, update
    #[command(subcommand)]
    World(world::WorldCommand),
    /// Plots: get, list, declare, advance, rollback
    #[command(subcommand)]
    Narrative(narrative::NarrativeCommand),
    /// What players did: add, list, and the months that it is kept in
    #[command(subcommand)]
    History(history::HistoryCommand),
}

/// The services on a server.
pub(crate) struct Services {
    memories: MemoryServiceClient<InterceptedService<Channel, Bearer>>,
    game: GameStateServiceClient<InterceptedService<Channel, Bearer>>,
}

/// Puts the token into every call.
#[derive(Debug, Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

pub(crate) async fn run(args: MemoryArgs, out: Output) -> Outcome {
    let services = connect(&args).await?;
    match args.command {
        MemoryCommand::Collection(command) => collection::run(services, command, out).await,
        MemoryCommand::Store(args) => store::run(services, args, out).await,
        MemoryCommand::Recall(args) => recall::run(services, args, false, out).await,
        MemoryCommand::Explain(args) => recall::run(services, args, true, out).await,
        MemoryCommand::List(args) => list::run(services, args, out).await,
        MemoryCommand::Forget(args) => forget::run(services, args, out).await,
        MemoryCommand::Import(args) => import::run(services, args, out).await,
        MemoryCommand::Export(args) => export::run(services, args, out).await,
        MemoryCommand::Entity(command) => entity::run(services, command, out).await,
        MemoryCommand::World(command) => world::run(services, command, out).await,
        MemoryCommand::Narrative(command) => narrative::run(services, command, out).await,
        MemoryCommand::History(command) => history::run(services, command, out).await,
    }
}

async fn connect(args: &MemoryArgs) -> Outcome<Services> {
    let wrong = |error: &dyn std::fmt::Display| {
        Problem::new(Exit::Unavailable, format!("{}: {error}", args.url))
    };
    let endpoint = Endpoint::from_shared(args.url.clone())
        .map_err(|error| Problem::usage(format!("{}: {error}", args.url)))?
        .timeout(Duration::from_secs(args.timeout));
    let channel = endpoint.connect().await.map_err(|error| wrong(&error))?;
    let token = args.token.as_ref().map(|token| format!("Bearer {token}").parse());
    let token = token.transpose().map_err(|_| Problem::usage("the token is not a header"))?;
    let bearer = Bearer(token);
    Ok(Services {
        memories: MemoryServiceClient::with_interceptor(channel.clone(), bearer.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX),
        game: GameStateServiceClient::with_interceptor(channel, bearer)
            .max_decoding_message_size(ANSWER_BYTES_MAX),
    })
}

/// What a server refused.
fn refused(status: Status) -> Problem {
    gamemesh_client::Error::from(status).into()
}

/// A message as JSON.
fn shown(name: &str, message: &impl Message) -> Value {
    json::of_message(&format!("gamemesh.memory.v1.{name}"), message)
}

/// A message from JSON text.
fn read<T: Message + Default>(name: &str, text: &str) -> Outcome<T> {
    json::read(&format!("gamemesh.memory.v1.{name}"), text)
}

/// A JSON object from text.
fn object(text: &str) -> Outcome<prost_types::Struct> {
    json::read_struct(text)
}

/// One line of text of a memory.
fn line(text: &str) -> String {
    crate::output::short(&Value::String(text.replace(['\n', '\r'], " ")))
}
