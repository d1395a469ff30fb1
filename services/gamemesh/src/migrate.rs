//! `gamemesh migrate`.

use clap::Args;
use serde_json::json;

use crate::exit::{Exit, Outcome};
use crate::log::Store;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    store: Store,
}

pub(crate) async fn run(args: MigrateArgs, out: Output) -> Outcome {
    let migrated = gamemesh_backends::migrate(&args.store.database_url).await?;
    let (from, to) = (migrated.from, migrated.to);
    out.answer(&json!({ "from": from, "to": to }), || match (from, to) {
        (0, to) => format!("the store is new, with schema {to}"),
        (from, to) if from == to => format!("the schema is {to} already"),
        (from, to) => format!("the schema went from {from} to {to}"),
    })?;
    Ok(Exit::Done)
}
