//! The connection of commands that talk to a server.

use std::time::Duration;

use clap::Args;
use gamemesh_client::{Client, ClientOptions};

use crate::exit::Outcome;

/// Which server, as whom, how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// The server, or several instances with commas between them.
    #[arg(long, env = "GAMEMESH_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Bearer token.
    #[arg(long, env = "GAMEMESH_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Longest time for one call, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400), global = true)]
    timeout: u64,
}

impl Remote {
    pub(crate) async fn connect(&self) -> Outcome<Client> {
        let options = ClientOptions {
            token: self.token.clone(),
            deadline: Duration::from_secs(self.timeout),
            ..ClientOptions::default()
        };
        Ok(Client::connect(&self.url, options).await?)
    }
}
