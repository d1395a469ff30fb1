//! Servers with memories in them, and what is asked of them.

use std::path::Path;

use futures::future::try_join_all;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_contracts::memory::v1::memory_service_client::MemoryServiceClient;

use crate::connection::Connection;
use crate::exit::{Outcome, Problem};
use crate::server::{Server, failed};
use crate::servers::database::Database;

pub(crate) const COLLECTION: &str = "npcs";

/// As all-MiniLM-L6-v2 has.
pub(crate) const DIMENSION: usize = 384;

/// Memories of one request: some 400 KB.
const STORED_AT_ONCE: u32 = 250;

/// Requests of memories on their way.
const SENDERS: u32 = 4;

/// Where servers keep things.
pub(crate) struct Store<'a> {
    pub(crate) dir: &'a Path,
    /// Absent for a file of its own.
    pub(crate) database: Option<&'a Database>,
}

impl Store<'_> {
    /// A server of this service alone, with these further flags.
    pub(crate) async fn server(&self, flags: &[&str]) -> Outcome<Server> {
        let url = match self.database {
            Some(database) => database.url().to_owned(),
            None => {
                let folder = tempfile::Builder::new().prefix("store-").tempdir_in(self.dir)?.keep();
                format!("sqlite://{}", folder.join("gamemesh.db").display())
            }
        };
        Server::on(self.dir, &url, &[&["--services", "memory"], flags].concat()).await
    }
}

pub(crate) type Stub = MemoryServiceClient<Connection>;

pub(crate) async fn stub(server: &Server) -> Outcome<Stub> {
    let origin = format!("http://{}", server.address());
    let origin = http::Uri::try_from(origin).map_err(Problem::failed)?;
    Ok(MemoryServiceClient::with_origin(Connection::open(server.address()).await?, origin))
}

pub(crate) async fn put_collection(server: &Server) -> Outcome {
    let request = pb::PutCollectionRequest {
        collection_id: COLLECTION.to_owned(),
        collection: Some(pb::Collection {
            dimension: DIMENSION as i32,
            model: Some(pb::Model { name: "random".to_owned(), version: String::new() }),
            ..Default::default()
        }),
        expected_version: None,
    };
    stub(server).await?.put_collection(request).await.map_err(failed)?;
    Ok(())
}

/// Gives each of these NPCs so many memories. `told` is called with what has been stored.
pub(crate) async fn remember(
    server: &Server,
    npcs: u32,
    memories: u32,
    told: impl Fn(u64) + Send + Sync,
) -> Outcome {
    let stored = std::sync::atomic::AtomicU64::new(0);
    let sender = async |first: u32| {
        let mut stub = stub(server).await?;
        for npc in (first..npcs).step_by(SENDERS as usize) {
            for from in (0..memories).step_by(STORED_AT_ONCE as usize) {
                let until = memories.min(from + STORED_AT_ONCE);
                let requests = (from..until).map(|n| store_request(npc, u64::from(n)));
                let request = pb::BatchStoreMemoriesRequest {
                    collection_id: COLLECTION.to_owned(),
                    requests: requests.collect(),
                };
                let answer = stub.batch_store_memories(request).await.map_err(failed)?;
                let results = answer.into_inner().results;
                let is_stored = |result: &pb::StoreResult| {
                    matches!(result.result, Some(pb::store_result::Result::Stored(_)))
                };
                if !results.iter().all(is_stored) {
                    return Err(Problem::failed("a memory was not stored"));
                }
                let before =
                    stored.fetch_add(results.len() as u64, std::sync::atomic::Ordering::Relaxed);
                told(before + results.len() as u64);
            }
        }
        Ok(())
    };
    try_join_all((0..SENDERS).map(sender)).await.map(drop)
}

pub(crate) fn npc(number: u32) -> String {
    format!("npc-{number}")
}

pub(crate) fn text(npc: u32, number: u64) -> String {
    const WHAT: [&str; 8] = [
        "the dragon burned the mill",
        "the merchant sold apples",
        "a stranger asked for a bed",
        "the guard fell asleep",
        "the bridge was swept away",
        "the king forbade music",
        "wolves killed eleven sheep",
        "an owl nests in the tower",
    ];
    format!("{} on day {number} of {npc}", WHAT[(number % 8) as usize])
}

pub(crate) fn store_request(npc_number: u32, number: u64) -> pb::StoreMemoryRequest {
    pb::StoreMemoryRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc(npc_number),
        content: Some(pb::MemoryContent {
            text: text(npc_number, number),
            vector: vector(memory_seed(npc_number, number)),
            importance: Some((number % 11) as f64),
            ..Default::default()
        }),
        idempotency_key: String::new(),
    }
}

pub(crate) const fn memory_seed(npc: u32, number: u64) -> u64 {
    ((npc as u64) << 32) | number
}

/// The ten nearest by the vector alone, so that others can be asked the same.
pub(crate) fn recall_request(npc_number: u32, vector: Vec<f32>) -> pb::RecallRequest {
    pb::RecallRequest {
        collection_id: COLLECTION.to_owned(),
        npc_id: npc(npc_number),
        vector,
        top_k: 10,
        profile: Some(pb::ScoreProfile {
            recency_weight: Some(0.0),
            importance_weight: Some(0.0),
            ..Default::default()
        }),
        without_access: true,
        ..Default::default()
    }
}

/// Numbers from -1 to 1, the same for the same seed in each run (`SplitMix64`, four numbers of a step).
pub(crate) fn vector(seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5151_7abc_0ddb_a115;
    let mut numbers = Vec::with_capacity(DIMENSION);
    while numbers.len() < DIMENSION {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        for part in 0..4 {
            let part = (bits >> (16 * part)) as u16;
            numbers.push(f32::from(part) / 32_767.5 - 1.0);
        }
    }
    numbers.truncate(DIMENSION);
    numbers
}

/// A counter of the server.
pub(crate) async fn metric(server: &Server, name: &str) -> Outcome<f64> {
    use crate::state::hot_read::{connection, get};
    let metrics = get(&mut connection(server).await?, server.address(), "/metrics").await?;
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.ok_or_else(|| Problem::failed(format!("the server has no metric {name}")))
}
