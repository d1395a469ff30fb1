//! `gamemesh state watch`.

use clap::{Args, ValueEnum};
use gamemesh_client::v1::watch_aggregates_response::Message;
use gamemesh_client::{Client, v1};
use serde_json::Value;

use crate::exit::{Exit, Outcome};
use crate::output::{Output, short};
use crate::{json, time};

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only aggregates of this type
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    /// Only this aggregate
    id: Option<String>,
    /// Only changes after which this is true, such as 'level >= 10'
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// Go on after the message that carried this token
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    resume_token: String,
    /// Leave out the present state
    #[arg(long)]
    changes_only: bool,
    /// What happens when this watcher is slower than the changes
    #[arg(long, value_enum, default_value_t = Slow::Lossless)]
    slow: Slow,
    /// End after this many changes
    #[arg(long)]
    count: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Slow {
    /// Every change
    Lossless,
    /// Only the newest state of each aggregate
    Conflate,
    /// End the watch
    Drop,
}

pub(crate) async fn run(client: &Client, args: WatchArgs, out: Output) -> Outcome {
    let slow = match args.slow {
        Slow::Lossless => v1::SlowWatcher::Lossless,
        Slow::Conflate => v1::SlowWatcher::Conflate,
        Slow::Drop => v1::SlowWatcher::Drop,
    };
    let mut watch = client.watch(v1::WatchAggregatesRequest {
        r#type: args.kind.unwrap_or_default(),
        id: args.id.unwrap_or_default(),
        filter: args.filter,
        resume_token: args.resume_token,
        slow_watcher: slow.into(),
        changes_only: args.changes_only,
    });
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let message = tokio::select! {
            message = watch.next() => message?,
            _ = tokio::signal::ctrl_c() => break,
        };
        if matches!(message.message, Some(Message::Change(_))) {
            left -= 1;
        }
        if out.is_json() {
            out.text(&json::of("WatchAggregatesResponse", &message).to_string())?;
        } else if let Some(line) = describe(&message) {
            out.text(&line)?;
        }
    }
    out.note(&format!("resume with --resume-token {}", watch.resume_token()));
    Ok(Exit::Done)
}

fn describe(message: &v1::WatchAggregatesResponse) -> Option<String> {
    let state = |aggregate: Option<&v1::Aggregate>| {
        aggregate.and_then(|a| a.state.as_ref()).map_or(Value::Null, json::of_struct)
    };
    match message.message.as_ref()? {
        Message::Present(aggregate) => Some(format!(
            "= {} {} v{} {}",
            aggregate.r#type,
            aggregate.id,
            aggregate.version,
            short(&state(Some(aggregate)))
        )),
        Message::Change(change) => {
            let event = change.event.as_ref()?;
            Some(format!(
                "{} {} {} v{} {} {}",
                time::show(event.time.as_ref()),
                event.r#type,
                event.id,
                event.version,
                event.kind,
                short(&state(change.aggregate.as_ref()))
            ))
        }
        Message::Begun(_) | Message::Checkpoint(_) => None,
    }
}
