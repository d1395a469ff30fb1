//! Laws of the memory tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::{
    CollectionRow, Cursor, EmbeddingState, EntityQuery, EntityRow, HistoryQuery, HistoryRow, Lane,
    LogError, MemoryChange, MemoryOutcome, MemoryRow, MemoryTables, Projected, TableMark,
    TableRows, TableWriter,
};

type Tables = Arc<dyn MemoryStores>;

/// The tables, and who writes some of them with a cursor.
pub trait MemoryStores: MemoryTables + TableWriter {}

impl<T: MemoryTables + TableWriter> MemoryStores for T {}

const NPCS: &str = "npcs";

/// A plain memory of `klaus`.
pub fn memory(id: u128) -> MemoryRow {
    MemoryRow {
        collection: NPCS.to_owned(),
        id: Uuid::from_u128(id),
        npc_id: "klaus".to_owned(),
        kind: "observation".to_owned(),
        text: format!("text {id}"),
        importance: 5.0,
        pinned: false,
        visibility: "private".to_owned(),
        created_us: 1,
        stored_us: 2,
        accessed_us: 3,
        accesses: 0,
        valid_from_us: None,
        valid_until_us: None,
        forgotten: None,
        version: 1,
        metadata: "{}".to_owned(),
        details: "{}".to_owned(),
        idempotency_key: None,
        fingerprint: [7; 16],
        embedding: EmbeddingState::None,
        model: String::new(),
        vector: None,
        readers: vec!["klaus".to_owned()],
        subjects: Vec::new(),
        sources: Vec::new(),
    }
}

fn insert(row: MemoryRow) -> MemoryChange {
    MemoryChange::Insert(Box::new(row))
}

fn replace(row: MemoryRow, expected: u64, left: &[&str]) -> MemoryChange {
    let left = left.iter().map(|reader| (*reader).to_owned()).collect();
    MemoryChange::Replace { row: Box::new(row), expected, left }
}

fn erase(row: &MemoryRow) -> MemoryChange {
    let (collection, readers) = (row.collection.clone(), row.readers.clone());
    MemoryChange::Erase { collection, id: row.id, readers }
}

async fn change(tables: &Tables, changes: Vec<MemoryChange>) -> MemoryOutcome {
    tables.change_memories(vec![changes]).await.unwrap().pop().unwrap()
}

async fn written(tables: &Tables, changes: Vec<MemoryChange>) {
    assert_eq!(change(tables, changes).await, MemoryOutcome::Written);
}

/// Lists have no order of their own.
fn sorted(mut row: MemoryRow) -> MemoryRow {
    row.readers.sort();
    row.subjects.sort();
    row.sources.sort();
    row
}

async fn read(tables: &Tables, id: u128) -> Option<MemoryRow> {
    tables.memory(NPCS, Uuid::from_u128(id)).await.unwrap().map(sorted)
}

/// Ids of what lies on a page by now and of what does not any more, since a number; and the number.
async fn page(tables: &Tables, reader: &str, after: u64) -> (Vec<u128>, Vec<u128>, u64) {
    let page = tables.memory_page(NPCS, reader, after).await.unwrap();
    let mut rows: Vec<u128> = page.rows.iter().map(|row| row.id.as_u128()).collect();
    let mut gone: Vec<u128> = page.gone.iter().map(Uuid::as_u128).collect();
    rows.sort_unstable();
    gone.sort_unstable();
    (rows, gone, page.change)
}

/// Every column, at its ends.
pub async fn rows_round_trip(tables: Tables) {
    let full = MemoryRow {
        npc_id: "kla\"us ☃".to_owned(),
        text: "it's \\ \"quoted\"\n second line, 剑客".to_owned(),
        importance: 0.1 + 0.2,
        pinned: true,
        created_us: i64::MIN,
        stored_us: i64::MAX,
        accesses: i64::MAX as u64,
        valid_from_us: Some(-1),
        valid_until_us: Some(i64::MAX),
        forgotten: Some("asked".to_owned()),
        version: i64::MAX as u64,
        metadata: "{\"big\":9007199254740993,\"mood\":\"sad\",\"none\":null}".to_owned(),
        details: "{\"a\":[1,null]}".to_owned(),
        idempotency_key: Some("key/1".to_owned()),
        fingerprint: [0xff; 16],
        embedding: EmbeddingState::Done,
        model: "model@2".to_owned(),
        vector: Some(vec![1.0e-30, -0.1, 3.4e18, 0.0]),
        readers: vec![String::new(), "a, b".to_owned(), "klaus".to_owned()],
        subjects: vec!["p\"1".to_owned(), "p2".to_owned()],
        sources: vec![Uuid::nil(), Uuid::max()],
        ..memory(u128::MAX)
    };
    written(&tables, vec![insert(full.clone()), insert(memory(0))]).await;
    assert_eq!(read(&tables, u128::MAX).await, Some(sorted(full.clone())));
    assert_eq!(read(&tables, 0).await, Some(memory(0)));
    assert_eq!(read(&tables, 1).await, None);
    let shared = tables.memory_page(NPCS, "", 0).await.unwrap();
    assert_eq!(shared.rows.into_iter().map(sorted).collect::<Vec<_>>(), [sorted(full)]);
    assert_eq!(tables.memory("another", Uuid::nil()).await.unwrap(), None);
}

/// A group falls as a whole; the others of one call do not fall with it.
pub async fn a_group_is_all_or_nothing(tables: Tables) {
    written(&tables, vec![insert(memory(1))]).await;
    let before = page(&tables, "klaus", 0).await.2;
    let second = MemoryRow { version: 2, text: "second".to_owned(), ..memory(1) };
    let groups = vec![
        vec![insert(memory(2)), replace(second.clone(), 9, &[])],
        vec![insert(memory(3)), replace(second.clone(), 1, &[])],
        vec![replace(MemoryRow { version: 2, ..memory(77) }, 1, &[]), insert(memory(4))],
    ];
    let outcomes = tables.change_memories(groups).await.unwrap();
    let one = Uuid::from_u128(1);
    assert_eq!(outcomes[0], MemoryOutcome::Conflict { id: one, actual: Some(1) });
    assert_eq!(outcomes[1], MemoryOutcome::Written);
    let absent = Uuid::from_u128(77);
    assert_eq!(outcomes[2], MemoryOutcome::Conflict { id: absent, actual: None });
    assert_eq!(page(&tables, "klaus", before).await.0, [1, 3]);
    assert_eq!((read(&tables, 2).await, read(&tables, 4).await), (None, None));
    assert_eq!(read(&tables, 1).await, Some(second));
}

/// The same key of the same owner is the row that has it.
pub async fn a_key_is_one_row(tables: Tables) {
    let keyed = |id, npc: &str| MemoryRow {
        idempotency_key: Some("k".to_owned()),
        npc_id: npc.to_owned(),
        ..memory(id)
    };
    written(&tables, vec![insert(keyed(1, "klaus"))]).await;
    let again = change(&tables, vec![insert(keyed(2, "klaus")), insert(memory(3))]).await;
    let MemoryOutcome::Existing(existing) = again else { panic!("{again:?}") };
    assert_eq!(sorted(*existing), keyed(1, "klaus"));
    assert_eq!((read(&tables, 2).await, read(&tables, 3).await), (None, None));
    written(&tables, vec![insert(keyed(4, "maria"))]).await;
    // At once, by many: one of them is written.
    let mut tries = Vec::new();
    for id in 10..20 {
        let tables = tables.clone();
        let row = MemoryRow { idempotency_key: Some("at once".to_owned()), ..memory(id) };
        tries.push(tokio::spawn(async move { change(&tables, vec![insert(row)]).await }));
    }
    let mut fresh = 0;
    for one in tries {
        fresh += usize::from(one.await.unwrap() == MemoryOutcome::Written);
    }
    assert_eq!(fresh, 1);
    // An erased one gives its key back.
    written(&tables, vec![erase(&keyed(1, "klaus"))]).await;
    written(&tables, vec![insert(keyed(5, "klaus"))]).await;
}

/// Whoever has read a page learns by its number what has come, changed and gone since.
pub async fn pages_tell_what_has_changed(tables: Tables) {
    assert_eq!(page(&tables, "klaus", 0).await, (vec![], vec![], 0));
    let both =
        |id| MemoryRow { readers: vec!["klaus".to_owned(), "maria".to_owned()], ..memory(id) };
    written(&tables, vec![insert(both(1)), insert(memory(2))]).await;
    let (rows, gone, klaus) = page(&tables, "klaus", 0).await;
    assert_eq!((rows, gone), (vec![1, 2], vec![]));
    let (rows, _, maria) = page(&tables, "maria", 0).await;
    assert_eq!(rows, [1]);
    assert_eq!(page(&tables, "klaus", klaus).await, (vec![], vec![], klaus));
    // It leaves one page and stays on the other.
    written(&tables, vec![replace(MemoryRow { version: 2, ..memory(1) }, 1, &["maria"])]).await;
    let (rows, gone, _) = page(&tables, "klaus", klaus).await;
    assert_eq!((rows, gone), (vec![1], vec![]));
    let (rows, gone, left) = page(&tables, "maria", maria).await;
    assert_eq!((rows, gone), (vec![], vec![1]));
    // And comes back.
    written(&tables, vec![replace(MemoryRow { version: 3, ..both(1) }, 2, &[])]).await;
    assert_eq!(page(&tables, "maria", left).await.0, [1]);
    assert_eq!(page(&tables, "maria", 0).await.0, [1]);
    let other = tables.memory_page("another", "klaus", 0).await.unwrap();
    assert!(other.rows.is_empty() && other.change == 0);
}

/// That it came to mind moves its page and nothing else; no replacement takes it back.
pub async fn accesses_are_no_changes_of_the_memory(tables: Tables) {
    let access = |id: u128, accessed_us, times| MemoryChange::Access {
        collection: NPCS.to_owned(),
        id: Uuid::from_u128(id),
        readers: vec!["klaus".to_owned()],
        accessed_us,
        times,
    };
    written(&tables, vec![insert(memory(1))]).await;
    let before = page(&tables, "klaus", 0).await.2;
    written(&tables, vec![access(1, 50, 2), access(1, 40, 1), access(99, 50, 1)]).await;
    let found = read(&tables, 1).await.unwrap();
    assert_eq!((found.version, found.accessed_us, found.accesses), (1, 50, 3));
    assert_eq!(page(&tables, "klaus", before).await.0, [1]);
    assert_eq!(read(&tables, 99).await, None);
    written(&tables, vec![replace(MemoryRow { version: 2, ..memory(1) }, 1, &[])]).await;
    let found = read(&tables, 1).await.unwrap();
    assert_eq!((found.version, found.accessed_us, found.accesses), (2, 50, 3));
}

/// Erased is gone from every question, and twice is no error.
pub async fn erased_is_gone(tables: Tables) {
    let about = |id| MemoryRow { subjects: vec!["p1".to_owned()], ..memory(id) };
    let from = MemoryRow { sources: vec![Uuid::from_u128(1)], ..about(2) };
    written(&tables, vec![insert(about(1)), insert(from.clone()), insert(about(3))]).await;
    let ids = async |collection| {
        let places = tables.memories_about("p1", collection).await.unwrap();
        places.into_iter().map(|place| place.id.as_u128()).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(None).await, BTreeSet::from([1, 2, 3]));
    assert_eq!(ids(Some("another")).await, BTreeSet::new());
    let sources = [Uuid::from_u128(1), Uuid::from_u128(8)];
    let concluded = tables.memories_from(NPCS, &sources).await.unwrap();
    assert_eq!(concluded.iter().map(|place| place.id.as_u128()).collect::<Vec<_>>(), [2]);
    assert_eq!(concluded[0].readers, ["klaus"]);
    let before = page(&tables, "klaus", 0).await.2;
    written(&tables, vec![erase(&from), erase(&about(1))]).await;
    assert_eq!(read(&tables, 1).await, None);
    assert_eq!(ids(Some(NPCS)).await, BTreeSet::from([3]));
    assert!(tables.memories_from(NPCS, &sources).await.unwrap().is_empty());
    let (rows, gone, _) = page(&tables, "klaus", before).await;
    assert_eq!((rows, gone), (vec![], vec![1, 2]));
    written(&tables, vec![erase(&from)]).await;
    tables.scrub().await.unwrap();
    assert_eq!(page(&tables, "klaus", 0).await.0, [3]);
}

/// What waits for a vector is answered in the order of ids, in parts.
pub async fn vectors_wait_in_order(tables: Tables) {
    let state = |id: u128| EmbeddingState::ALL[(id % 4) as usize];
    let rows = (1..=40).map(|id| insert(MemoryRow { embedding: state(id), ..memory(id) }));
    written(&tables, rows.collect()).await;
    let model = memory(1).model;
    let counts = tables.embedding_counts(NPCS, &model).await.unwrap();
    assert_eq!(counts, [10; 4]);
    // What another model made, or refused, is to be made anew.
    let counts = tables.embedding_counts(NPCS, "another").await.unwrap();
    assert_eq!(counts, [10, 30, 0, 0]);
    assert_eq!(tables.embedding_counts("another", &model).await.unwrap(), [0; 4]);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let part = tables.memories_embedded(NPCS, EmbeddingState::Pending, after, 3).await.unwrap();
        let Some(last) = part.last() else { break };
        assert!(part.len() <= 3);
        after = Some(last.id);
        found.extend(part.iter().map(|row| row.id.as_u128()));
    }
    let expected: Vec<u128> = (1..=40).filter(|id| state(*id) == EmbeddingState::Pending).collect();
    assert_eq!(found, expected);
}

/// A collection is written on the version that it was read at.
pub async fn collections_are_compared(tables: Tables) {
    let row = |version, document: &[u8]| CollectionRow {
        collection: NPCS.to_owned(),
        version,
        document: document.to_vec(),
    };
    assert_eq!(tables.put_collection(row(2, b"x"), 1).await.unwrap(), Err(0));
    assert_eq!(tables.put_collection(row(1, b"a"), 0).await.unwrap(), Ok(()));
    assert_eq!(tables.put_collection(row(1, b"b"), 0).await.unwrap(), Err(1));
    assert_eq!(tables.put_collection(row(2, b"c\0"), 1).await.unwrap(), Ok(()));
    assert_eq!(tables.put_collection(row(2, b"d"), 1).await.unwrap(), Err(2));
    assert_eq!(tables.collections().await.unwrap(), [row(2, b"c\0")]);
}

/// Many write to one page while it is followed: nothing is missed, whatever the order of the commits.
pub async fn writers_of_one_page_take_turns(tables: Tables) {
    const WRITERS: u128 = 6;
    const EACH: u128 = 25;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let tables = tables.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let id = 1 + writer * EACH + n;
                    written(&tables, vec![insert(memory(id))]).await;
                    if n % 5 == 4 {
                        written(&tables, vec![erase(&memory(id - 2))]).await;
                    }
                }
            })
        })
        .collect();
    let mut known: BTreeMap<u128, bool> = BTreeMap::new();
    let mut after = 0;
    loop {
        let is_done = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let (rows, gone, change) = page(&tables, "klaus", after).await;
        assert!(change >= after);
        after = change;
        known.extend(rows.into_iter().map(|id| (id, true)));
        known.extend(gone.into_iter().map(|id| (id, false)));
        if is_done {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let followed: Vec<u128> =
        known.iter().filter(|(_, is_there)| **is_there).map(|(id, _)| *id).collect();
    assert_eq!(followed, page(&tables, "klaus", 0).await.0);
    assert_eq!(followed.len() as u128, WRITERS * EACH / 5 * 4);
}

fn entity(id: &str, version: u64, updated_us: i64) -> EntityRow {
    EntityRow {
        id: id.to_owned(),
        entity_type: "chest".to_owned(),
        data: format!("{{\"v\":{version}}}"),
        version,
        created_us: -5,
        updated_us,
        deleted: false,
    }
}

async fn project(tables: &Tables, from: u64, rows: Vec<EntityRow>) -> Result<(), LogError> {
    let to = Cursor { projection: "entities".to_owned(), lane: Lane(0), position: from + 1 };
    tables.write(Projected { from, to, rows: vec![TableRows::Entities(rows)] }).await
}

/// An older row never takes the place of a newer one; lists go by time and id.
pub async fn entities_stay_the_newest(tables: Tables) {
    let door = EntityRow { entity_type: "door".to_owned(), ..entity("d", 1, 30) };
    let rows = vec![entity("b", 1, 30), entity("a", 2, 30), entity("c", 1, 10), door];
    project(&tables, 0, rows).await.unwrap();
    project(&tables, 1, vec![entity("a", 1, 99), entity("c", 1, 99)]).await.unwrap();
    // Somebody who has slept: rows and cursor are written together or not at all.
    let late = project(&tables, 0, vec![entity("z", 9, 99)]).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    let query = |entity_type: Option<&str>, after: Option<(i64, &str)>, limit| EntityQuery {
        entity_type: entity_type.map(ToOwned::to_owned),
        from_us: i64::MIN,
        until_us: i64::MAX,
        after: after.map(|(time_us, id)| (time_us, id.to_owned())),
        limit,
        written: TableMark::default(),
    };
    let ids = async |query: EntityQuery| {
        let rows = tables.entities(&query).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(query(None, None, 9)).await, ["c", "a", "b", "d"]);
    assert_eq!(ids(query(Some("chest"), None, 2)).await, ["c", "a"]);
    assert_eq!(ids(query(Some("chest"), Some((30, "a")), 9)).await, ["b"]);
    let within = EntityQuery { from_us: 10, until_us: 30, ..query(None, None, 9) };
    assert_eq!(tables.entities(&within).await.unwrap(), [entity("c", 1, 10)]);
    let gone = EntityRow { deleted: true, ..entity("b", 2, 40) };
    let older = EntityRow { deleted: true, ..entity("a", 1, 40) };
    project(&tables, 2, vec![gone, older]).await.unwrap();
    assert_eq!(ids(query(Some("chest"), None, 9)).await, ["c", "a"]);
}

fn entry(player: &str, time_us: i64, id: u128) -> HistoryRow {
    HistoryRow {
        player_id: player.to_owned(),
        time_us,
        entry_id: Uuid::from_u128(id),
        action: ["kill", "loot"][(id % 2) as usize].to_owned(),
        context: format!("{{\"n\":{id}}}"),
    }
}

/// An entry is appended once; histories are read both ways, by parts.
pub async fn history_is_appended_once(tables: Tables) {
    /// The first of November 2026.
    const T: i64 = 1_793_491_200_000_000;
    let rows: Vec<HistoryRow> = (1..=9).map(|n| entry("p1", T + n / 3, n as u128)).collect();
    let mut first = rows.clone();
    first.push(entry("p2", T, 1));
    // The same entry twice in one request.
    first.push(rows[8].clone());
    let repeated = tables.append_history(first).await.unwrap().repeated;
    assert_eq!(repeated.iter().filter(|repeated| **repeated).count(), 1);
    let again = vec![rows[0].clone(), entry("p1", T + 99, 50)];
    let appended = tables.append_history(again).await.unwrap();
    assert_eq!(appended.repeated, [true, false]);
    let query = |oldest_first| HistoryQuery {
        player_id: "p1".to_owned(),
        action: None,
        from_us: T,
        until_us: T + 50,
        after: None,
        oldest_first,
        limit: 4,
        at_least: None,
    };
    for oldest_first in [true, false] {
        let mut expected = rows.clone();
        expected.sort_by_key(|row| (row.time_us, row.entry_id));
        if !oldest_first {
            expected.reverse();
        }
        let (mut found, mut asked) = (Vec::new(), query(oldest_first));
        loop {
            let part = tables.history(&asked).await.unwrap();
            let Some(last) = part.last() else { break };
            asked.after = Some((last.time_us, last.entry_id));
            found.extend(part);
        }
        assert_eq!(found, expected);
    }
    let loot = HistoryQuery { action: Some("loot".to_owned()), limit: 99, ..query(true) };
    assert_eq!(tables.history(&loot).await.unwrap().len(), 5);
    let named = HistoryQuery {
        until_us: i64::MAX,
        at_least: Some(appended.mark),
        limit: 99,
        ..query(true)
    };
    assert_eq!(tables.history(&named).await.unwrap().len(), 10);
    assert_eq!(tables.erase_history("p1").await.unwrap(), 10);
    assert!(tables.history(&query(true)).await.unwrap().is_empty());
    let other = HistoryQuery { player_id: "p2".to_owned(), ..query(true) };
    assert_eq!(tables.history(&other).await.unwrap().len(), 1);
}
