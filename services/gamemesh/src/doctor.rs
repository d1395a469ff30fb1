//! `gamemesh doctor`: what would keep the server from running, and what to do about it.

mod backends;
mod lanes;
mod machine;

use clap::Args;
use gamemesh_rpc::auth::Authenticator;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use serde::Serialize;
use serde_json::json;

use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};
use crate::roles::ROLES;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// What one check found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    check: &'static str,
    status: Status,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It runs, but not as well or not as safely as it could.
    Warning,
    /// The server would not start, or not work.
    Failure,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), advice: None }
    }

    fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn failure(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Failure, found: found.into(), advice: Some(advice.into()) }
    }
}

pub(crate) async fn run(args: DoctorArgs, out: Output) -> Outcome {
    let (findings, exit) = match ServerConfig::load(&args.server) {
        Ok(config) => {
            let findings = examine(&config).await;
            let worst = findings.iter().map(|finding| finding.status).max();
            (findings, if worst == Some(Status::Failure) { Exit::Failed } else { Exit::Done })
        }
        Err(errors) => {
            let findings = errors.0.iter().map(|error| {
                Finding::failure(
                    "configuration",
                    error.to_string(),
                    "correct it; `gamemesh serve --help` explains each key",
                )
            });
            (findings.collect(), Exit::Config)
        }
    };
    out.answer(&json!({ "healthy": exit == Exit::Done, "findings": findings }), || {
        describe(&findings)
    })?;
    Ok(exit)
}

async fn examine(config: &ServerConfig) -> Vec<Finding> {
    let mut findings = vec![
        Finding::ok("configuration", format!("environment {}", config.environment.as_str())),
        tokens(config),
        machine::open_files(config),
        machine::clock(),
        machine::port(config).await,
    ];
    match config.roles(&ROLES) {
        Ok(roles) => findings.extend(backends::database(config, &roles).await),
        Err(error) => {
            findings.push(Finding::failure("services", error.to_string(), "correct SERVICES"));
        }
    }
    findings.extend(lanes::shared_out(config).await);
    findings.extend(backends::servers(config).await);
    findings
}

fn tokens(config: &ServerConfig) -> Finding {
    if !config.auth.has_keys() {
        return Finding::warning(
            "tokens",
            "every caller is an administrator",
            "set JWT_SECRET before others can reach the port",
        );
    }
    // A file of public keys is read here, as it is at start.
    match Authenticator::new(&config.auth, config.environment, Clock::system()) {
        Ok(_) => Finding::ok("tokens", "callers are authenticated"),
        Err(error) => Finding::failure("tokens", error.to_string(), "correct JWT_JWKS_FILE"),
    }
}

fn describe(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|finding| {
        let mark = match finding.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failure => "FAILURE",
        };
        [
            mark.to_owned(),
            finding.check.to_owned(),
            finding.found.clone(),
            finding.advice.clone().unwrap_or_default(),
        ]
    });
    table(["", "check", "found", "what to do"], rows)
}
