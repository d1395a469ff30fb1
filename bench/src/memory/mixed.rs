//! What ten thousand players at once ask for, at the floor's rate, by open loops.

use futures::try_join;
use gamemesh_contracts::memory::v1 as pb;
use hdrhistogram::Histogram;

use super::MemoryBenchArgs;
use super::sample::{
    Store, memory_seed, metric, npc, put_collection, recall_request, remember, store_request,
    vector,
};
use crate::exit::{Outcome, Problem};
use crate::report::{Bar, Pair, Row};
use crate::server::Server;
use crate::unary::Calls;

/// Shares of the requests.
const RECALLS: f64 = 0.5;
const ENTITY_READS: f64 = 0.2;
const STORES: f64 = 0.15;
const ENTITY_WRITES: f64 = 0.1;
const HISTORY: f64 = 0.05;

/// In milliseconds.
const DATABASE_P99_MS: f64 = 50.0;
const CACHE_P99_MS: f64 = 5.0;

/// In per cent.
const MISSES: f64 = 5.0;

/// Memories that each NPC begins with.
const MEMORIES: u32 = 100;

const RECALL: &str = "/gamemesh.memory.v1.MemoryService/Recall";
const STORE: &str = "/gamemesh.memory.v1.MemoryService/StoreMemory";
const PUT_ENTITY: &str = "/gamemesh.memory.v1.GameStateService/PutEntity";
const GET_ENTITY: &str = "/gamemesh.memory.v1.GameStateService/GetEntity";
const APPEND_HISTORY: &str = "/gamemesh.memory.v1.GameStateService/AppendHistory";

/// Latencies of what goes to the database, and of what is answered from memory.
struct Took {
    database: Histogram<u64>,
    memory: Histogram<u64>,
}

pub(crate) async fn measure(args: &MemoryBenchArgs, store: &Store<'_>) -> Outcome<Vec<Row>> {
    let server = store.server(&[]).await?;
    put_collection(&server).await?;
    remember(&server, args.active, MEMORIES, |_| {}).await?;
    let entities = Calls { path: PUT_ENTITY, request: put_entity(args.active) };
    // Every entity is there before it is read.
    let seeding = f64::from(args.active) / args.load.duration.as_secs_f64();
    entities.at_rate(&server, &args.load, seeding.max(100.0)).await?;
    // Every page has been read once: what is measured is the active set.
    let recalls = Calls { path: RECALL, request: recall(args.active) };
    recalls.at_rate(&server, &args.load, f64::from(args.rate) / 4.0).await?;

    let (mut database, mut memory, mut misses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.load.pairs {
        let before = pages(&server).await?;
        let took = load(args, &server).await?;
        let after = pages(&server).await?;
        let ms = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99) as f64 / 1_000.0;
        database.push(Pair { ours: ms(&took.database), baseline: DATABASE_P99_MS });
        memory.push(Pair { ours: ms(&took.memory), baseline: CACHE_P99_MS });
        let (hits, missed) = (after.0 - before.0, after.1 - before.1);
        let share = 100.0 * missed / (hits + missed);
        misses.push(Pair { ours: share, baseline: MISSES });
    }
    let bar = Bar::AtMost { ceiling: 1.0, aim: 0.5 };
    let mix = format!(
        "an open loop of {} requests/s: recall {RECALLS}, read an entity {ENTITY_READS}, store \
         {STORES}, write an entity {ENTITY_WRITES}, history {HISTORY}; {} NPCs with {MEMORIES} memories \
         at first",
        args.rate, args.active
    );
    Ok(vec![
        Row::new("P99 of what goes to the database", "the floor", "ms", bar, database).note(mix),
        Row::new("P99 of what is answered from memory", "the floor", "ms", bar, memory)
            .note("recalls and reads of entities in the same load"),
        Row::new("misses of pages on the active set", "the floor", "%", bar, misses)
            .note("in the same load"),
    ])
}

fn recall(npcs: u32) -> impl Fn(u64) -> pb::RecallRequest + Clone + Send + 'static {
    move |n| recall_request((n % u64::from(npcs)) as u32, vector(n % 1_000))
}

fn put_entity(entities: u32) -> impl Fn(u64) -> pb::PutEntityRequest + Clone + Send + 'static {
    move |n| {
        let health = prost_types::value::Kind::NumberValue((n % 100) as f64);
        let value = prost_types::Value { kind: Some(health) };
        pb::PutEntityRequest {
            entity_id: npc((n % u64::from(entities)) as u32),
            r#type: "npc".to_owned(),
            data: Some(prost_types::Struct { fields: [("health".to_owned(), value)].into() }),
            ..Default::default()
        }
    }
}

async fn load(args: &MemoryBenchArgs, server: &Server) -> Outcome<Took> {
    let active = args.active;
    let rate = f64::from(args.rate);
    let of = move |n: u64| (n % u64::from(active)) as u32;
    let run = &args.load;
    let recalls = Calls { path: RECALL, request: recall(active) };
    let reads = Calls {
        path: GET_ENTITY,
        request: move |n| pb::GetEntityRequest { entity_id: npc(of(n)), ..Default::default() },
    };
    let stores = Calls {
        path: STORE,
        request: move |n| {
            let mut request = store_request(of(n), n);
            if let Some(content) = &mut request.content {
                content.vector = vector(memory_seed(of(n), n + 1_000_000));
            }
            request
        },
    };
    let writes = Calls { path: PUT_ENTITY, request: put_entity(active) };
    let history = Calls {
        path: APPEND_HISTORY,
        request: move |n| pb::AppendHistoryRequest {
            player_id: format!("player-{}", n % 1_000),
            entries: vec![pb::HistoryEntry { action: "quest".to_owned(), ..Default::default() }],
        },
    };
    let (recalls, reads, stores, writes, history) = try_join!(
        recalls.at_rate(server, run, rate * RECALLS),
        reads.at_rate(server, run, rate * ENTITY_READS),
        stores.at_rate(server, run, rate * STORES),
        writes.at_rate(server, run, rate * ENTITY_WRITES),
        history.at_rate(server, run, rate * HISTORY),
    )?;
    let sum = |mut all: Histogram<u64>, others: &[Histogram<u64>]| {
        for other in others {
            all.add(other).map_err(Problem::failed)?;
        }
        Ok::<_, Problem>(all)
    };
    Ok(Took { database: sum(stores, &[writes, history])?, memory: sum(recalls, &[reads])? })
}

/// Hits and misses of pages since the server started.
async fn pages(server: &Server) -> Outcome<(f64, f64)> {
    let hits = metric(server, "memory_page_hits_total ").await?;
    Ok((hits, metric(server, "memory_page_misses_total ").await?))
}
