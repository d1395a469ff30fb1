//! Memory of the server over many NPCs, each of whom is recalled.

use super::MemoryBenchArgs;
use super::sample::{Store, put_collection, recall_request, remember, vector};
use crate::exit::Outcome;
use crate::load::LoadArgs;
use crate::output::Output;
use crate::report::{Bar, Pair, Row};
use crate::unary::Calls;

/// In MiB.
const BOUND: f64 = 4_096.0;

/// What pages may take; the rest of the bound is for everything else.
const PAGES: &str = "3GiB";

/// Memories between two notes of how far it is.
const NOTED: u64 = 500_000;

const RECALL: &str = "/gamemesh.memory.v1.MemoryService/Recall";

/// Recalls a second while the memory is looked at: cold pages are read from the store.
const RATE: f64 = 200.0;

pub(crate) async fn measure(
    args: &MemoryBenchArgs,
    store: &Store<'_>,
    out: &Output,
) -> Outcome<Row> {
    let server = store.server(&["--memory-pages-bytes", PAGES]).await?;
    put_collection(&server).await?;
    remember(&server, args.npcs, args.memories, |stored| {
        if stored / NOTED > (stored - 1) / NOTED {
            out.note(&format!("{stored} memories are stored"));
        }
    })
    .await?;
    // Every NPC once, one after the other, so that the pages of all have been in memory.
    let npcs = args.npcs;
    let calls = Calls {
        path: RECALL,
        request: move |n| recall_request((n % u64::from(npcs)) as u32, vector(n % 1_000)),
    };
    let duration = std::time::Duration::from_secs_f64(f64::from(npcs) / RATE);
    let load = LoadArgs { duration, ..args.load.clone() };
    let took = calls.at_rate(&server, &load, RATE).await?;
    let resident = server.resident_bytes()? as f64 / f64::from(1 << 20);
    let pairs = vec![Pair { ours: resident, baseline: BOUND }];
    let bar = Bar::AtMost { ceiling: 1.0, aim: 0.5 };
    Ok(Row::new("memory of a server over many NPCs", "the bound", "MiB", bar, pairs).note(format!(
        "{npcs} NPCs with {} memories each, every one recalled at {RATE} recalls/s; pages within {PAGES}, \
         what does not fit is read from the store; P99 of these recalls {:.1} ms",
        args.memories,
        took.value_at_quantile(0.99) as f64 / 1_000.0
    )))
}
