//! `gamemesh state history`.

use clap::Args;
use gamemesh_client::{Client, v1};

use super::input::Which;
use crate::exit::{Exit, Outcome};
use crate::output::{Output, short, table};
use crate::{json, time};

/// Events that one call asks for.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    which: Which,
    /// First version
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    from: i64,
    /// Last version
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    to: i64,
    /// At most this many events
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Newest first
    #[arg(long)]
    reverse: bool,
}

pub(crate) async fn run(client: &Client, args: HistoryArgs, out: Output) -> Outcome {
    let mut events: Vec<v1::AggregateEvent> = Vec::new();
    let mut page_token = String::new();
    while events.len() < args.limit {
        let page = client
            .list_events(v1::ListEventsRequest {
                r#type: args.which.kind.clone(),
                id: args.which.id.clone(),
                from_version: args.from,
                to_version: args.to,
                limit: (args.limit - events.len()).min(PAGE) as i32,
                descending: args.reverse,
                page_token,
                ..Default::default()
            })
            .await?;
        events.extend(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if out.is_json() {
        for event in &events {
            out.text(&json::of("AggregateEvent", event).to_string())?;
        }
    } else {
        let rows = events.iter().map(|event| {
            let shown = json::of("AggregateEvent", event);
            [
                event.version.to_string(),
                time::show(event.time.as_ref()),
                event.kind.clone(),
                event.metadata.as_ref().map(|m| m.actor.clone()).unwrap_or_default(),
                short(&shown["data"]),
            ]
        });
        out.text(&table(["version", "time", "kind", "actor", "data"], rows))?;
        if !page_token.is_empty() {
            out.note("there are more: raise --limit");
        }
    }
    Ok(Exit::Done)
}
