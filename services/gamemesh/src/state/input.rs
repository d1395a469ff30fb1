//! What the state commands have in common: naming an aggregate, conditions of a write, JSON from
//! the command line.

use std::io::Read as _;

use clap::Args;
use gamemesh_client::v1::{Aggregate, WriteResult};
use serde_json::json;

use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;
use crate::{json, time};

/// Which aggregate.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Type, such as player, match, guild
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// Id
    pub(crate) id: String,
}

/// Conditions and remarks of a write.
#[derive(Debug, Args)]
pub(crate) struct Condition {
    /// Write only if the aggregate has this version; 0: only if it does not exist
    #[arg(long, value_name = "VERSION")]
    pub(crate) expected_version: Option<i64>,
    /// Makes a repeated command one write; without it each command is a write of its own
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) idempotency_key: String,
    /// Why, for the history
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

/// A state: a JSON object given as text, as `@file`, or as `-` for standard input.
pub(crate) fn read_state(argument: &str) -> Outcome<prost_types::Struct> {
    let (text, origin) = match argument.strip_prefix('@') {
        _ if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            (text, "standard input")
        }
        Some(path) => (
            std::fs::read_to_string(path).map_err(|e| Problem::usage(format!("{path}: {e}")))?,
            path,
        ),
        None => (argument.to_owned(), "the argument"),
    };
    json::read_struct(&text).map_err(|problem| {
        let what = &problem.message;
        Problem::usage(format!("{origin} is not a JSON object: {what}")).hint(
            "quote it for the shell, as in '{\"level\": 3}', or pass @file or - for standard input",
        )
    })
}

/// An aggregate as people read it: a line about it, then its state.
pub(crate) fn describe(aggregate: &Aggregate) -> String {
    let state = aggregate.state.as_ref().map_or_else(|| json!({}), json::of_struct);
    format!(
        "{} {} · version {} · created {} · updated {}\n{}",
        aggregate.r#type,
        aggregate.id,
        aggregate.version,
        time::show(aggregate.created_at.as_ref()),
        time::show(aggregate.updated_at.as_ref()),
        serde_json::to_string_pretty(&state).unwrap_or_default(),
    )
}

/// What a write did.
pub(crate) fn wrote(which: &Which, write: Option<WriteResult>, out: Output) -> Outcome {
    let write = write.unwrap_or_default();
    out.answer(&json::of("WriteResult", &write), || {
        let again = if write.repeated_write { " (it had been made before)" } else { "" };
        format!("{} {} is at version {}{again}", which.kind, which.id, write.version)
    })?;
    Ok(Exit::Done)
}
