//! `gamemesh state export`.

use std::path::PathBuf;

use clap::Args;
use gamemesh_client::{Client, v1};
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufWriter};

use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;
use crate::{json, progress};

/// Aggregates that one call asks for.
const PAGE: i32 = 500;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Types; all that are registered if none is named
    #[arg(value_name = "TYPE")]
    kinds: Vec<String>,
    /// Only aggregates for which this is true, such as 'level >= 10'
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// File to write; standard output if absent
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Each aggregate is whole, but they are not of one instant: writes go on during an export.
pub(crate) async fn run(client: &Client, args: ExportArgs, out: Output) -> Outcome {
    let kinds = if args.kinds.is_empty() {
        let types = client.list_types(v1::ListTypesRequest {}).await?;
        types.schemas.into_iter().map(|schema| schema.r#type).collect()
    } else {
        args.kinds
    };
    let sink: Box<dyn AsyncWrite + Unpin> = match &args.output {
        Some(path) => Box::new(
            tokio::fs::File::create(path)
                .await
                .map_err(|error| Problem::usage(format!("{}: {error}", path.display())))?,
        ),
        None => Box::new(tokio::io::stdout()),
    };
    let mut sink = BufWriter::new(sink);
    let bar = progress::bar(out, None, "aggregates");
    for kind in kinds {
        bar.set_message(kind.clone());
        let mut page_token = String::new();
        loop {
            let page = client
                .list_aggregates(v1::ListAggregatesRequest {
                    r#type: kind.clone(),
                    filter: args.filter.clone(),
                    page_size: PAGE,
                    page_token,
                    ..Default::default()
                })
                .await?;
            for aggregate in &page.aggregates {
                sink.write_all(line(aggregate).to_string().as_bytes()).await?;
                sink.write_all(b"\n").await?;
            }
            bar.inc(page.aggregates.len() as u64);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
    }
    sink.flush().await?;
    bar.finish_and_clear();
    match args.output {
        Some(path) => out.answer(&json!({ "aggregates": bar.position() }), || {
            format!("{} aggregates written to {}", bar.position(), path.display())
        })?,
        None => out.note(&format!("{} aggregates", bar.position())),
    }
    Ok(Exit::Done)
}

fn line(aggregate: &v1::Aggregate) -> Value {
    json!({
        "type": aggregate.r#type,
        "id": aggregate.id,
        "version": aggregate.version,
        "state": aggregate.state.as_ref().map_or_else(|| json!({}), json::of_struct),
    })
}
