//! `gamemesh token`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use gamemesh_rpc::auth::{Grant, Role, issue};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{AuthConfig, Secret};
use serde_json::json;

use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What the caller is
    #[arg(long, value_enum)]
    role: RoleName,
    /// Who the caller is, for the history and the audit log
    #[arg(long, default_value = "developer")]
    subject: String,
    /// The player that a player's token stands for
    #[arg(long, required_if_eq("role", "player"))]
    player_id: Option<String>,
    /// How long the token is valid
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// The secret that the server verifies tokens with
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// Issuer that the server asks for
    #[arg(long, env = "JWT_ISSUER")]
    jwt_issuer: Option<String>,
    /// Audience that the server asks for
    #[arg(long, env = "JWT_AUDIENCE")]
    jwt_audience: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Player,
    GameServer,
    Admin,
    Spectator,
    Analyst,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Player => Self::Player,
            RoleName::GameServer => Self::GameServer,
            RoleName::Admin => Self::Admin,
            RoleName::Spectator => Self::Spectator,
            RoleName::Analyst => Self::Analyst,
        }
    }
}

pub(crate) fn run(args: TokenArgs, out: Output) -> Outcome {
    let Some(secret) = args.jwt_secret.filter(|secret| !secret.is_empty()) else {
        return Err(Problem::new(Exit::Config, "no secret to sign with").hint(
            "set JWT_SECRET (or --jwt-secret) to the secret that the server runs with; a development server without one needs no token",
        ));
    };
    let secret = Secret::new(secret);
    let config = AuthConfig {
        jwt_secret: Some(secret.clone()),
        jwt_issuer: args.jwt_issuer,
        jwt_audience: args.jwt_audience,
        ..AuthConfig::default()
    };
    let grant = Grant {
        subject: args.subject,
        role: args.role.into(),
        player_id: args.player_id,
        lifetime: args.ttl,
    };
    let token = issue(&secret, &grant, &config, &Clock::system()).map_err(Problem::failed)?;
    let answer = json!({
        "token": token, "role": grant.role.as_str(), "subject": grant.subject, "ttlSeconds": args.ttl.as_secs(),
    });
    out.answer(&answer, || token.clone())?;
    Ok(Exit::Done)
}
