//! The ten best of an NPC's memories over gRPC, against pgvector's exact query over the same rows.

use futures::future::try_join_all;
use gamemesh_contracts::memory::v1 as pb;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;

use super::MemoryBenchArgs;
use super::sample::{
    DIMENSION, Store, memory_seed, put_collection, recall_request, remember, stub, text, vector,
};
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation, closed};
use crate::output::Output;
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};
use crate::servers::database::Database;
use crate::unary::{callers, in_turn};

/// NPCs that are asked.
const NPCS: u32 = 20;

/// Questions whose answers are compared with a scan of everything.
const COMPARED: u64 = 200;

/// Recalls a second, where there is nothing to compare with.
const FLOOR: f64 = 1_667.0;

const RECALL: &str = "/gamemesh.memory.v1.MemoryService/Recall";

pub(crate) async fn measure(
    args: &MemoryBenchArgs,
    store: &Store<'_>,
    out: &Output,
) -> Outcome<Row> {
    let server = store.server(&[]).await?;
    put_collection(&server).await?;
    remember(&server, NPCS, args.memories, |_| {}).await?;
    let found = recall_of(&server, args.memories).await?;
    if found < 1.0 {
        return Err(Problem::failed(format!("recall of the ten nearest is {found}, not 1")));
    }
    let Some(url) = &args.pgvector_url else {
        out.note("recall is measured alone: PGVECTOR_URL is not set");
        let mut pairs = Vec::new();
        for _ in 0..args.load.pairs {
            pairs.push(Pair { ours: ours(&server, &args.load).await?, baseline: FLOOR });
        }
        let bar = Bar::AtLeast { floor: 1.0, aim: 10.0 };
        return Ok(row(args, "the floor", bar, pairs));
    };
    let database = Database::create(url).await?;
    let measured = beside_pgvector(args, &server, &database).await;
    database.drop().await?;
    Ok(row(args, "pgvector, exact", Bar::AtLeast { floor: 1.0, aim: 10.0 }, measured?))
}

fn row(args: &MemoryBenchArgs, against: &'static str, bar: Bar, pairs: Vec<Pair>) -> Row {
    Row::new("recall of the ten nearest, over gRPC", against, "/s", bar, pairs).note(format!(
        "{} memories of {DIMENSION} numbers each of {NPCS} NPCs; recall 1.000 over {COMPARED} questions; {} \
         clients",
        args.memories, args.load.clients
    ))
}

async fn ours(server: &Server, load: &LoadArgs) -> Outcome<f64> {
    let clients = in_turn(load, question);
    closed(callers(server, load, RECALL, clients).await?, load.duration).await
}

fn question(n: u64) -> pb::RecallRequest {
    recall_request((n % u64::from(NPCS)) as u32, question_vector(n))
}

fn question_vector(n: u64) -> Vec<f32> {
    vector((n % 1_000) | 1 << 63)
}

/// The share of the ten nearest, by a scan of everything, that is answered.
async fn recall_of(server: &Server, memories: u32) -> Outcome<f64> {
    let mut stub = stub(server).await?;
    let (mut found, mut all) = (0, 0);
    for n in 0..COMPARED {
        let npc = (n % u64::from(NPCS)) as u32;
        let asked = question_vector(n);
        let answer = stub.recall(question(n)).await.map_err(failed)?.into_inner();
        let answered: Vec<String> =
            answer.memories.into_iter().filter_map(|one| Some(one.memory?.content?.text)).collect();
        let mut scanned: Vec<(f64, u64)> = (0..u64::from(memories))
            .map(|number| (cosine(&asked, &vector(memory_seed(npc, number))), number))
            .collect();
        scanned.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, number) in scanned.iter().take(10) {
            found += usize::from(answered.contains(&text(npc, *number)));
            all += 1;
        }
    }
    Ok(found as f64 / f64::from(all))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

async fn beside_pgvector(
    args: &MemoryBenchArgs,
    server: &Server,
    database: &Database,
) -> Outcome<Vec<Pair>> {
    database
        .execute(&format!(
            "CREATE EXTENSION vector; CREATE TABLE memories (npc integer, number integer, \
             embedding vector({DIMENSION})); CREATE INDEX ON memories (npc)"
        ))
        .await?;
    fill(database, args.memories).await?;
    database.execute("VACUUM (ANALYZE) memories").await?;
    let connecting = (0..args.load.clients).map(|_| PgConnection::connect(database.url()));
    let connections = try_join_all(connecting).await.map_err(Problem::failed)?;
    let connections: Vec<_> =
        connections.into_iter().map(|one| std::sync::Arc::new(Mutex::new(one))).collect();
    let mut pairs = Vec::new();
    for _ in 0..args.load.pairs {
        let askers = connections.iter().cloned().zip(0..).map(asker).collect();
        let baseline = closed(askers, args.load.duration).await?;
        pairs.push(Pair { ours: ours(server, &args.load).await?, baseline });
    }
    Ok(pairs)
}

async fn fill(database: &Database, memories: u32) -> Outcome {
    let mut connection = PgConnection::connect(database.url()).await.map_err(Problem::failed)?;
    for npc in 0..NPCS {
        for number in 0..memories {
            sqlx::query("INSERT INTO memories VALUES ($1, $2, $3::real[]::vector)")
                .bind(npc as i32)
                .bind(number as i32)
                .bind(vector(memory_seed(npc, number.into())))
                .execute(&mut connection)
                .await
                .map_err(Problem::failed)?;
        }
    }
    connection.close().await.map_err(Problem::failed)
}

/// A client with a connection of its own, which asks for the ten nearest of one NPC by the index of NPCs.
fn asker((connection, first): (std::sync::Arc<Mutex<PgConnection>>, u64)) -> Operation {
    let mut n = first;
    Box::new(move || {
        let connection = connection.clone();
        n += 1;
        let (npc, vector) = ((n % u64::from(NPCS)) as i32, question_vector(n));
        Box::pin(async move {
            let found: Vec<i32> = sqlx::query_scalar(
                "SELECT number FROM memories WHERE npc = $1 \
                 ORDER BY embedding <=> $2::real[]::vector LIMIT 10",
            )
            .bind(npc)
            .bind(vector)
            .fetch_all(&mut *connection.lock().await)
            .await
            .map_err(Problem::failed)?;
            if found.len() < 10 {
                return Err(Problem::failed("pgvector answered fewer than ten"));
            }
            Ok(1)
        })
    })
}
