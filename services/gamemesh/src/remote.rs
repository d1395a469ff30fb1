//! The connection of commands that talk to a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gamemesh_client::{Client, ClientOptions, PrivateKeyPem, StatsClient, TlsOptions};

use crate::exit::{Exit, Outcome, Problem};

/// Which server, as whom, how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// The server, or several instances with commas between them.
    #[arg(long, env = "GAMEMESH_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Bearer token.
    #[arg(long, env = "GAMEMESH_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Authorities that sign the certificate of an https:// server, in PEM; by default the machine's.
    #[arg(long, env = "GAMEMESH_CA_FILE", value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// Client certificate for a server that asks for one, in PEM.
    #[arg(
        long,
        env = "GAMEMESH_CERT_FILE",
        value_name = "FILE",
        requires = "key_file",
        global = true
    )]
    cert_file: Option<PathBuf>,
    /// Private key of the client certificate, in PEM.
    #[arg(
        long,
        env = "GAMEMESH_KEY_FILE",
        value_name = "FILE",
        requires = "cert_file",
        global = true
    )]
    key_file: Option<PathBuf>,
    /// Longest time for one call, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400), global = true)]
    timeout: u64,
}

impl Remote {
    pub(crate) async fn connect(&self) -> Outcome<Client> {
        Ok(Client::connect(&self.url, self.options()?).await?)
    }

    pub(crate) async fn connect_stats(&self) -> Outcome<StatsClient> {
        Ok(StatsClient::connect(&self.url, &self.options()?).await?)
    }

    fn options(&self) -> Outcome<ClientOptions> {
        Ok(ClientOptions {
            token: self.token.clone(),
            tls: self.tls()?,
            deadline: Duration::from_secs(self.timeout),
            ..ClientOptions::default()
        })
    }

    fn tls(&self) -> Outcome<TlsOptions> {
        let identity = self.cert_file.as_deref().zip(self.key_file.as_deref());
        Ok(TlsOptions {
            ca_pem: self.ca_file.as_deref().map(read).transpose()?,
            identity_pem: match identity {
                Some((cert, key)) => Some((read(cert)?, PrivateKeyPem(read(key)?))),
                None => None,
            },
        })
    }
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Problem::new(Exit::Config, format!("{}: {error}", path.display())))
}
