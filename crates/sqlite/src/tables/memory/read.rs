//! What is remembered, read.

use gamemesh_repository::{
    CollectionRow, EmbeddingState, LogError, MemoryPlace, MemoryRow, PageRows,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::error::log_error;

/// Who may read a memory `m`, a line each. Its index is named: without statistics SQLite takes the primary
/// key's, and reads the whole collection for each memory.
macro_rules! readers {
    () => {
        "(SELECT group_concat(r.reader, char(10)) \
           FROM memory_readers r INDEXED BY memory_readers_id \
           WHERE r.collection = m.collection AND r.id = m.id AND r.gone = 0) AS readers"
    };
}

/// The columns of a row, with the lists beside it as lines.
macro_rules! columns {
    () => {
        concat!(
        "m.collection, m.id, m.npc_id, m.kind, m.text, m.importance, m.pinned, m.visibility, \
         m.created_us, m.stored_us, m.accessed_us, m.accesses, m.valid_from_us, m.valid_until_us, m.forgotten, m.version, m.metadata, m.details, \
         m.idempotency_key, m.fingerprint, m.embedding, m.model, m.vector, ",
        readers!(),
        ", (SELECT group_concat(s.subject, char(10)) FROM memory_subjects s \
           WHERE s.collection = m.collection AND s.id = m.id) AS subjects, \
         (SELECT group_concat(hex(o.source), char(10)) FROM memory_sources o \
           WHERE o.collection = m.collection AND o.id = m.id) AS sources")
    };
}

pub(super) async fn collections(
    connection: &mut SqliteConnection,
) -> Result<Vec<CollectionRow>, LogError> {
    let rows = sqlx::query(
        "SELECT collection, version, document FROM memory_collections ORDER BY collection",
    )
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    let read = |row: &SqliteRow| -> sqlx::Result<CollectionRow> {
        Ok(CollectionRow {
            collection: row.try_get(0)?,
            version: row.try_get::<i64, _>(1)? as u64,
            document: row.try_get(2)?,
        })
    };
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(log_error)
}

const PAGE: &str = concat!(
    "SELECT p.id AS place, p.gone AS gone, ",
    columns!(),
    " FROM memory_readers p LEFT JOIN memories m ON m.collection = p.collection AND m.id = p.id \
     WHERE p.collection = ?1 AND p.reader = ?2 AND p.change > ?3"
);

/// The head first: what changes between the two reads is read again by the next who comes.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    collection: &str,
    reader: &str,
    after: u64,
) -> Result<PageRows, LogError> {
    let change: Option<i64> =
        sqlx::query_scalar("SELECT change FROM memory_heads WHERE collection = ?1 AND reader = ?2")
            .bind(collection)
            .bind(reader)
            .fetch_optional(&mut *connection)
            .await
            .map_err(log_error)?;
    let change = change.unwrap_or(0) as u64;
    if change <= after {
        return Ok(PageRows { change, ..PageRows::default() });
    }
    let rows = sqlx::query(PAGE)
        .bind(collection)
        .bind(reader)
        .bind(after as i64)
        .fetch_all(connection)
        .await
        .map_err(log_error)?;
    let mut page = PageRows { change, ..PageRows::default() };
    for row in &rows {
        let gone: bool = row.try_get("gone").map_err(log_error)?;
        let absent: Option<&str> = row.try_get("collection").map_err(log_error)?;
        match (gone, absent) {
            (false, Some(_)) => page.rows.push(decode(row)?),
            _ => page.gone.push(id_of(row, "place")?),
        }
    }
    Ok(page)
}

pub(super) async fn memory(
    connection: &mut SqliteConnection,
    collection: &str,
    id: Uuid,
) -> Result<Option<MemoryRow>, LogError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM memories m WHERE m.collection = ?1 AND m.id = ?2"
    ))
    .bind(collection)
    .bind(&id.as_bytes()[..])
    .fetch_optional(connection)
    .await
    .map_err(log_error)?;
    row.as_ref().map(decode).transpose()
}

/// The row that has taken a key.
pub(super) async fn keyed(
    connection: &mut SqliteConnection,
    row: &MemoryRow,
) -> Result<Option<MemoryRow>, LogError> {
    let Some(key) = &row.idempotency_key else { return Ok(None) };
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM memories m WHERE m.collection = ?1 AND m.npc_id = ?2 AND m.idempotency_key = ?3"
    ))
    .bind(row.collection.as_str())
    .bind(row.npc_id.as_str())
    .bind(key.as_str())
    .fetch_optional(connection)
    .await
    .map_err(log_error)?;
    row.as_ref().map(decode).transpose()
}

pub(super) async fn embedded(
    connection: &mut SqliteConnection,
    collection: &str,
    state: EmbeddingState,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<MemoryRow>, LogError> {
    let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM memories m WHERE m.collection = ?1 AND m.embedding = ?2 AND m.id > ?3 \
         ORDER BY m.id LIMIT ?4"
    ))
    .bind(collection)
    .bind(state.number())
    .bind(after)
    .bind(limit as i64)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    rows.iter().map(decode).collect()
}

pub(super) async fn counts(
    connection: &mut SqliteConnection,
    collection: &str,
    model: &str,
) -> Result<[u64; 4], LogError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT CASE WHEN embedding > 0 AND model <> ?2 THEN 1 ELSE embedding END AS state, \
         count(*) FROM memories WHERE collection = ?1 GROUP BY state",
    )
    .bind(collection)
    .bind(model)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    let mut counts = [0; 4];
    for (state, count) in rows {
        if let Some(place) = counts.get_mut(state as usize) {
            *place = count as u64;
        }
    }
    Ok(counts)
}

pub(super) async fn about(
    connection: &mut SqliteConnection,
    subject: &str,
    collection: Option<&str>,
) -> Result<Vec<MemoryPlace>, LogError> {
    let rows = sqlx::query(concat!(
        "SELECT m.collection, m.id, m.npc_id, ",
        readers!(),
        " FROM memory_subjects s JOIN memories m ON m.collection = s.collection AND m.id = s.id \
         WHERE s.subject = ?1 AND (?2 IS NULL OR s.collection = ?2)",
    ))
    .bind(subject)
    .bind(collection)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    rows.iter().map(place).collect()
}

pub(super) async fn from_sources(
    connection: &mut SqliteConnection,
    collection: &str,
    sources: &[Uuid],
) -> Result<Vec<MemoryPlace>, LogError> {
    let mut places = Vec::new();
    for source in sources {
        let rows = sqlx::query(concat!(
            "SELECT m.collection, m.id, m.npc_id, ",
            readers!(),
            " FROM memory_sources o JOIN memories m ON m.collection = o.collection AND m.id = o.id \
             WHERE o.collection = ?1 AND o.source = ?2",
        ))
        .bind(collection)
        .bind(&source.as_bytes()[..])
        .fetch_all(&mut *connection)
        .await
        .map_err(log_error)?;
        for row in &rows {
            places.push(place(row)?);
        }
    }
    places.sort();
    places.dedup();
    Ok(places)
}

fn place(row: &SqliteRow) -> Result<MemoryPlace, LogError> {
    Ok(MemoryPlace {
        collection: row.try_get("collection").map_err(log_error)?,
        id: id_of(row, "id")?,
        npc_id: row.try_get("npc_id").map_err(log_error)?,
        readers: lines(row, "readers")?,
    })
}

fn decode(row: &SqliteRow) -> Result<MemoryRow, LogError> {
    let damaged = |what: &str| LogError::Corrupted(format!("{what} of a memory"));
    let state: i64 = row.try_get("embedding").map_err(log_error)?;
    let vector: Option<&[u8]> = row.try_get("vector").map_err(log_error)?;
    let fingerprint: &[u8] = row.try_get("fingerprint").map_err(log_error)?;
    let source = |hex: String| {
        let number = u128::from_str_radix(&hex, 16).map_err(|_| damaged("a source"))?;
        Ok(Uuid::from_u128(number))
    };
    Ok(MemoryRow {
        collection: row.try_get("collection").map_err(log_error)?,
        id: id_of(row, "id")?,
        npc_id: row.try_get("npc_id").map_err(log_error)?,
        kind: row.try_get("kind").map_err(log_error)?,
        text: row.try_get("text").map_err(log_error)?,
        importance: row.try_get("importance").map_err(log_error)?,
        pinned: row.try_get("pinned").map_err(log_error)?,
        visibility: row.try_get("visibility").map_err(log_error)?,
        created_us: row.try_get("created_us").map_err(log_error)?,
        stored_us: row.try_get("stored_us").map_err(log_error)?,
        accessed_us: row.try_get("accessed_us").map_err(log_error)?,
        accesses: row.try_get::<i64, _>("accesses").map_err(log_error)? as u64,
        valid_from_us: row.try_get("valid_from_us").map_err(log_error)?,
        valid_until_us: row.try_get("valid_until_us").map_err(log_error)?,
        forgotten: row.try_get("forgotten").map_err(log_error)?,
        version: row.try_get::<i64, _>("version").map_err(log_error)? as u64,
        metadata: row.try_get("metadata").map_err(log_error)?,
        details: row.try_get("details").map_err(log_error)?,
        idempotency_key: row.try_get("idempotency_key").map_err(log_error)?,
        fingerprint: fingerprint.try_into().map_err(|_| damaged("the fingerprint"))?,
        embedding: i16::try_from(state)
            .ok()
            .and_then(EmbeddingState::of_number)
            .ok_or_else(|| damaged("the state"))?,
        model: row.try_get("model").map_err(log_error)?,
        vector: vector.map(floats).transpose()?,
        readers: lines(row, "readers")?,
        subjects: lines(row, "subjects")?,
        sources: lines(row, "sources")?.into_iter().map(source).collect::<Result<_, _>>()?,
    })
}

fn id_of(row: &SqliteRow, column: &str) -> Result<Uuid, LogError> {
    let bytes: &[u8] = row.try_get(column).map_err(log_error)?;
    Uuid::from_slice(bytes).map_err(|_| LogError::Corrupted("the id of a memory".to_owned()))
}

/// No name has a line break in it. The page of all has the empty name, so no text and one empty line are
/// two things.
fn lines(row: &SqliteRow, column: &str) -> Result<Vec<String>, LogError> {
    let text: Option<&str> = row.try_get(column).map_err(log_error)?;
    Ok(text.map(|text| text.split('\n').map(ToOwned::to_owned).collect()).unwrap_or_default())
}

fn floats(bytes: &[u8]) -> Result<Vec<f32>, LogError> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(LogError::Corrupted("the vector of a memory".to_owned()));
    }
    Ok(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::PAGE;

    #[tokio::test]
    async fn a_page_is_read_without_reading_the_rest_of_its_collection() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let tables = include_str!("../../../migrations/memory/0001_tables.sql");
        sqlx::raw_sql(tables).execute(&mut connection).await.unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {PAGE}");
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explain))
            .bind("c")
            .bind("r")
            .bind(0)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let searches = steps.iter().map(|(.., step)| step).filter(|s| !s.contains("SUBQUERY"));
        let searches: Vec<&String> = searches.collect();
        assert!(searches.len() >= 5, "{steps:?}");
        for step in searches {
            assert!(step.starts_with("SEARCH") && step.contains("=? AND "), "{step}");
        }
    }
}
