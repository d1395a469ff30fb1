//! `gamemesh combat`: sessions on a running server.

mod create;
mod explain;
mod replay;
mod sessions;
mod simulate;
mod verify;
mod watch;

use clap::{Args, Subcommand};
use gamemesh_contracts::combat::v1::combat_service_client::CombatServiceClient;
use prost::Message;
use serde_json::Value;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::exit::{Exit, Outcome, Problem};
use crate::json;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct CombatArgs {
    /// The server.
    #[arg(long, env = "GAMEMESH_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Bearer token.
    #[arg(long, env = "GAMEMESH_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    #[command(subcommand)]
    command: CombatCommand,
}

#[derive(Debug, Subcommand)]
enum CombatCommand {
    /// List sessions, the newest first
    Sessions(sessions::SessionsArgs),
    /// Create a session
    Create(create::CreateArgs),
    /// Look on: draws the session in a terminal
    Watch(watch::WatchArgs),
    /// Play a session again
    Replay(replay::ReplayArgs),
    /// Fold a session's log again and compare
    Verify(verify::VerifyArgs),
    /// Say why a shot was judged as it was
    Explain(explain::ExplainArgs),
    /// Let bots play over real sockets, honest or cheating
    Simulate(simulate::SimulateArgs),
}

/// The service on a server.
type Service = CombatServiceClient<InterceptedService<Channel, Bearer>>;

/// Puts the token into every call.
#[derive(Debug, Clone)]
struct Bearer(Option<MetadataValue<tonic::metadata::Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// Where the server is, and as whom.
#[derive(Debug, Clone)]
struct Server {
    url: String,
    token: Option<String>,
}

impl Server {
    async fn service(&self) -> Outcome<Service> {
        let token = self.token.as_ref().map(|token| format!("Bearer {token}").parse());
        let token = token.transpose().map_err(|_| Problem::usage("the token is not text"))?;
        let endpoint = Endpoint::from_shared(self.url.clone())
            .map_err(|error| Problem::usage(format!("{}: {error}", self.url)))?;
        let channel = endpoint.connect().await.map_err(|error| {
            Problem::new(Exit::Unavailable, format!("{}: {error}", self.url))
                .hint("is `gamemesh serve` running there?")
        })?;
        Ok(CombatServiceClient::with_interceptor(channel, Bearer(token)))
    }
}

pub(crate) async fn run(args: CombatArgs, out: Output) -> Outcome {
    let server = Server { url: args.url, token: args.token };
    match args.command {
        CombatCommand::Sessions(args) => sessions::run(server.service().await?, args, out).await,
        CombatCommand::Create(args) => create::run(server.service().await?, args, out).await,
        CombatCommand::Watch(args) => watch::run(server.service().await?, args, out).await,
        CombatCommand::Replay(args) => replay::run(server.service().await?, args, out).await,
        CombatCommand::Verify(args) => verify::run(server.service().await?, args, out).await,
        CombatCommand::Explain(args) => explain::run(server.service().await?, args, out).await,
        CombatCommand::Simulate(args) => simulate::run(server, args, out).await,
    }
}

/// A message of the contract as JSON.
fn shown(name: &str, message: &impl Message) -> Value {
    json::of_message(&format!("gamemesh.combat.v1.{name}"), message)
}

/// What the server refused, for people.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err, which gives the value")]
fn refused(status: Status) -> Problem {
    Problem::new(Exit::Refused, format!("{:?}: {}", status.code(), status.message()))
}

/// An event in one line.
fn line(event: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let kinds = event.as_object().into_iter().flatten();
    let what = kinds.filter(|(_, value)| value.is_object()).map(|(kind, value)| {
        let fields = value.as_object().into_iter().flatten();
        let shown = fields
            .filter(|(_, value)| !value.is_object() && !value.is_array())
            .filter(|(_, value)| !matches!(text(value).as_str(), "" | "0" | "false" | "null"))
            .map(|(name, value)| format!("{name}={}", text(value)));
        format!("{kind:<10} {}", shown.collect::<Vec<_>>().join(" "))
    });
    format!(
        "{:>6} {:>5} {}",
        text(&event["tick"]),
        text(&event["seq"]),
        what.collect::<Vec<_>>().join(" ")
    )
}
