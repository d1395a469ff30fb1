//! `gamemesh state import`.

mod lines;
mod pump;

use std::path::PathBuf;

use clap::Args;
use gamemesh_client::Client;
use serde_json::json;
use uuid::Uuid;

use self::lines::Lines;
use self::pump::{LineError, Pump};
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::progress;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// NDJSON, one {"type", "id", "state"} a line, as export writes it; - for standard input
    file: PathBuf,
    /// Refuse aggregates that exist, instead of replacing their state
    #[arg(long)]
    create_only: bool,
    /// Name of the import: run again under the same name within 24 hours, it writes only the lines
    /// that have not been written
    #[arg(long)]
    session: Option<String>,
    /// Why, for the history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// What became of the lines.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    written: u64,
    repeated: u64,
    refused: u64,
}

impl Tally {
    fn answered(&self) -> u64 {
        self.written + self.repeated + self.refused
    }
}

pub(crate) async fn run(client: &Client, args: ImportArgs, out: Output) -> Outcome {
    let session = args.session.unwrap_or_else(|| Uuid::new_v4().to_string());
    let mut lines = Lines::open(&args.file).await?;
    let bar = progress::bar(out, lines.bytes_total(), "bytes");
    let mut pump = Pump::new(client, &session, args.create_only, &args.reason);
    let result = pump
        .run(&mut lines, |done, error| {
            bar.set_position(done);
            error.map_or(Ok(()), |error| bar.suspend(|| report(&error, out)))
        })
        .await;
    bar.finish_and_clear();
    let Tally { written, repeated, refused } = pump.tally;
    let summary = json!({
        "written": written, "repeated": repeated, "refused": refused, "session": session,
    });
    out.answer(&summary, || {
        format!("{written} written, {repeated} written before, {refused} refused")
    })?;
    if let Err(problem) = result {
        return Err(
            problem.hint(format!("to write the rest, run it again with --session {session}"))
        );
    }
    Ok(if refused == 0 { Exit::Done } else { Exit::Refused })
}

fn report(error: &LineError, out: Output) -> Outcome<()> {
    let LineError { line, problem } = error;
    if out.is_json() {
        return out.text(&json!({ "line": line, "error": problem }).to_string());
    }
    let reason = if problem.reason.is_empty() { "" } else { &problem.reason };
    out.note(&format!("line {line}: {reason} {}", problem.message));
    Ok(())
}
