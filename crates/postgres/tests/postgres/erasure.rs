//! What is erased is in no table and no index of the server any more: its files are searched. The write-ahead
//! log keeps it until the server recycles that.

use std::fs;
use std::path::{Path, PathBuf};

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::conformance::memories;
use gamemesh_repository::{HistoryRow, LogName, MemoryChange, MemoryRow, MemoryTables};
use gamemesh_testkit::postgres::Postgres;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::server::options;

/// Few enough that the planner's samples would have all of them.
const NEIGHBOURS: u128 = 60;
const CANARY: u128 = 31;
const VECTOR: [f32; 3] = [0.123_456_79, 0.987_654_3, 0.555_555_6];

/// Whether a file of this folder has these bytes.
fn is_in_files(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in_files(&path, bytes);
        }
        // The server takes files away as it likes.
        let content = fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// Where the tables of all databases are.
async fn tables(url: &str) -> PathBuf {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let folder = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection);
    let folder: String = folder.await.unwrap();
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await.unwrap();
    Path::new(&folder).join("base")
}

fn memory(id: u128) -> MemoryRow {
    let row = MemoryRow {
        text: format!("{id} sings of the sea"),
        vector: Some(vec![id as f32, 2.0, 3.0]),
        subjects: vec!["player-a".to_owned()],
        ..memories::memory(id)
    };
    if id != CANARY {
        return row;
    }
    MemoryRow {
        text: "the CANARYTEXT sings of Zanzibar".to_owned(),
        metadata: "{\"mood\": \"CANARYMOOD\"}".to_owned(),
        details: "{\"said\": \"CANARYDETAIL\"}".to_owned(),
        idempotency_key: Some("CANARYKEY".to_owned()),
        vector: Some(VECTOR.to_vec()),
        subjects: vec!["CANARYPLAYER".to_owned()],
        ..row
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_erased_is_in_no_table_and_no_index() {
    let postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
    let options = PostgresOptions { log: LogName::Memory, ..options() };
    let store = PostgresStore::open(postgres.url(), options).await.unwrap();
    let insert = |id| vec![MemoryChange::Insert(Box::new(memory(id)))];
    store.change_memories((1..=NEIGHBOURS).map(insert).collect()).await.unwrap();
    let did = HistoryRow {
        player_id: "CANARYPLAYER".to_owned(),
        time_us: 1_793_491_200_000_000,
        entry_id: Uuid::from_u128(1),
        action: "CANARYACTION".to_owned(),
        context: "{\"where\": \"CANARYCONTEXT\"}".to_owned(),
    };
    store.append_history(vec![did]).await.unwrap();
    let mut connection = PgConnection::connect(postgres.url()).await.unwrap();
    sqlx::raw_sql("ANALYZE memory.memories").execute(&mut connection).await.unwrap();
    let vector: Vec<u8> = VECTOR.iter().flat_map(|number| number.to_le_bytes()).collect();
    let folder = tables(postgres.url()).await;
    let texts = ["TEXT", "MOOD", "DETAIL", "KEY", "PLAYER", "ACTION", "CONTEXT"];
    let texts = texts.map(|text| format!("CANARY{text}"));
    for text in &texts {
        assert!(is_in_files(&folder, text.as_bytes()), "{text} was never there");
    }
    assert!(is_in_files(&folder, &vector));

    let erase = MemoryChange::Erase {
        collection: "npcs".to_owned(),
        id: Uuid::from_u128(CANARY),
        readers: memory(CANARY).readers,
    };
    store.change_memories(vec![vec![erase]]).await.unwrap();
    assert_eq!(store.erase_history("CANARYPLAYER").await.unwrap(), 1);
    store.scrub().await.unwrap();
    let folder = tables(postgres.url()).await;
    for text in &texts {
        assert!(!is_in_files(&folder, text.as_bytes()), "{text} is still there");
    }
    assert!(!is_in_files(&folder, &vector), "the vector is still there");
    let left = store.memory_page("npcs", "klaus", 0).await.unwrap().rows.len() as u128;
    assert_eq!(left, NEIGHBOURS - 1);
    store.close().await;
}
