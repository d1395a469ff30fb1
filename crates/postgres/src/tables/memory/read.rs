//! What is remembered, read.

use gamemesh_repository::{
    CollectionRow, EmbeddingState, LogError, MemoryPlace, MemoryRow, PageRows,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::document::compact;
use crate::error::log_error;
use crate::types::Uuid;

/// The columns of a row, with the lists beside it.
macro_rules! columns {
    () => {
        "m.collection, m.id, m.npc_id, m.kind, m.text, m.importance, m.pinned, m.visibility, \
         m.created_us, m.stored_us, m.accessed_us, m.accesses, m.valid_from_us, m.valid_until_us, \
         m.forgotten, m.version, m.metadata::text AS metadata, m.details, m.idempotency_key, \
         m.fingerprint, m.embedding, m.model, m.vector::real[] AS vector, \
         ARRAY (SELECT r.reader FROM memory_readers r \
           WHERE r.collection = m.collection AND r.id = m.id AND NOT r.gone) AS readers, \
         ARRAY (SELECT s.subject FROM memory_subjects s \
           WHERE s.collection = m.collection AND s.id = m.id) AS subjects, \
         ARRAY (SELECT o.source FROM memory_sources o \
           WHERE o.collection = m.collection AND o.id = m.id) AS sources"
    };
}

macro_rules! place_columns {
    () => {
        "m.collection, m.id, m.npc_id, ARRAY (SELECT r.reader FROM memory_readers r \
         WHERE r.collection = m.collection AND r.id = m.id AND NOT r.gone) AS readers"
    };
}

pub(super) async fn collections(connection: &mut PgConnection) -> sqlx::Result<Vec<CollectionRow>> {
    let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT collection, version, document FROM memory_collections ORDER BY collection",
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|(collection, version, document)| CollectionRow {
        collection,
        version: version as u64,
        document,
    });
    Ok(rows.collect())
}

/// The head first: what changes between the two reads is read again by the next who comes.
pub(super) async fn page(
    connection: &mut PgConnection,
    collection: &str,
    reader: &str,
    after: u64,
) -> Result<PageRows, LogError> {
    let change: Option<i64> =
        sqlx::query_scalar("SELECT change FROM memory_heads WHERE collection = $1 AND reader = $2")
            .bind(collection)
            .bind(reader)
            .fetch_optional(&mut *connection)
            .await
            .map_err(log_error)?;
    let change = change.unwrap_or(0) as u64;
    if change <= after {
        return Ok(PageRows { change, ..PageRows::default() });
    }
    let rows = sqlx::query(concat!(
        "SELECT p.id AS place, p.gone AS gone, m.collection IS NULL AS absent, ",
        columns!(),
        " FROM memory_readers p LEFT JOIN memories m ON m.collection = p.collection AND m.id = p.id \
         WHERE p.collection = $1 AND p.reader = $2 AND p.change > $3"
    ))
    .bind(collection)
    .bind(reader)
    .bind(after as i64)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    let mut page = PageRows { change, ..PageRows::default() };
    for row in &rows {
        let gone: bool = row.try_get("gone").map_err(log_error)?;
        let absent: bool = row.try_get("absent").map_err(log_error)?;
        if gone || absent {
            let Uuid(id) = row.try_get("place").map_err(log_error)?;
            page.gone.push(id);
        } else {
            page.rows.push(decode(row)?);
        }
    }
    Ok(page)
}

pub(super) async fn memory(
    connection: &mut PgConnection,
    collection: &str,
    id: uuid::Uuid,
) -> Result<Option<MemoryRow>, LogError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM memories m WHERE m.collection = $1 AND m.id = $2"
    ))
    .bind(collection)
    .bind(Uuid(id))
    .fetch_optional(connection)
    .await
    .map_err(log_error)?;
    row.as_ref().map(decode).transpose()
}

/// The row that has taken a key.
pub(super) async fn keyed(
    connection: &mut PgConnection,
    row: &MemoryRow,
) -> Result<Option<MemoryRow>, LogError> {
    let Some(key) = &row.idempotency_key else { return Ok(None) };
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM memories m WHERE m.collection = $1 AND m.npc_id = $2 AND m.idempotency_key = $3"
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
    connection: &mut PgConnection,
    collection: &str,
    state: EmbeddingState,
    after: Option<uuid::Uuid>,
    limit: usize,
) -> Result<Vec<MemoryRow>, LogError> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM memories m WHERE m.collection = $1 AND m.embedding = $2 \
         AND ($3::uuid IS NULL OR m.id > $3) ORDER BY m.id LIMIT $4"
    ))
    .bind(collection)
    .bind(state.number())
    .bind(after.map(Uuid))
    .bind(limit as i64)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    rows.iter().map(decode).collect()
}

pub(super) async fn counts(
    connection: &mut PgConnection,
    collection: &str,
    model: &str,
) -> sqlx::Result<[u64; 4]> {
    let rows: Vec<(i16, i64)> = sqlx::query_as(
        "SELECT CASE WHEN embedding > 0 AND model <> $2 THEN 1::smallint ELSE embedding END AS state, \
         count(*) FROM memories WHERE collection = $1 GROUP BY state",
    )
    .bind(collection)
    .bind(model)
    .fetch_all(connection)
    .await?;
    let mut counts = [0; 4];
    for (state, count) in rows {
        if let Some(place) = counts.get_mut(state as usize) {
            *place = count as u64;
        }
    }
    Ok(counts)
}

pub(super) async fn about(
    connection: &mut PgConnection,
    subject: &str,
    collection: Option<&str>,
) -> sqlx::Result<Vec<MemoryPlace>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        place_columns!(),
        " FROM memory_subjects s JOIN memories m ON m.collection = s.collection AND m.id = s.id \
         WHERE s.subject = $1 AND ($2::text IS NULL OR s.collection = $2)"
    ))
    .bind(subject)
    .bind(collection)
    .fetch_all(connection)
    .await?;
    rows.iter().map(place).collect()
}

pub(super) async fn from_sources(
    connection: &mut PgConnection,
    collection: &str,
    sources: &[uuid::Uuid],
) -> sqlx::Result<Vec<MemoryPlace>> {
    let sources: Vec<Uuid> = sources.iter().copied().map(Uuid).collect();
    let rows = sqlx::query(concat!(
        "SELECT DISTINCT ",
        place_columns!(),
        " FROM memory_sources o JOIN memories m ON m.collection = o.collection AND m.id = o.id \
         WHERE o.collection = $1 AND o.source = ANY ($2)"
    ))
    .bind(collection)
    .bind(sources)
    .fetch_all(connection)
    .await?;
    rows.iter().map(place).collect()
}

fn place(row: &PgRow) -> sqlx::Result<MemoryPlace> {
    let Uuid(id) = row.try_get("id")?;
    Ok(MemoryPlace {
        collection: row.try_get("collection")?,
        id,
        npc_id: row.try_get("npc_id")?,
        readers: row.try_get("readers")?,
    })
}

fn decode(row: &PgRow) -> Result<MemoryRow, LogError> {
    let damaged = |what: &str| LogError::Corrupted(format!("{what} of a memory"));
    let state: i16 = row.try_get("embedding").map_err(log_error)?;
    let embedding = EmbeddingState::of_number(state).ok_or_else(|| damaged("the state"))?;
    let fingerprint: Vec<u8> = row.try_get("fingerprint").map_err(log_error)?;
    let fingerprint = fingerprint.try_into().map_err(|_| damaged("the fingerprint"))?;
    columns(row, embedding, fingerprint).map_err(log_error)
}

fn columns(
    row: &PgRow,
    embedding: EmbeddingState,
    fingerprint: [u8; 16],
) -> sqlx::Result<MemoryRow> {
    let Uuid(id) = row.try_get("id")?;
    let sources: Vec<Uuid> = row.try_get("sources")?;
    Ok(MemoryRow {
        collection: row.try_get("collection")?,
        id,
        npc_id: row.try_get("npc_id")?,
        kind: row.try_get("kind")?,
        text: row.try_get("text")?,
        importance: row.try_get("importance")?,
        pinned: row.try_get("pinned")?,
        visibility: row.try_get("visibility")?,
        created_us: row.try_get("created_us")?,
        stored_us: row.try_get("stored_us")?,
        accessed_us: row.try_get("accessed_us")?,
        accesses: row.try_get::<i64, _>("accesses")? as u64,
        valid_from_us: row.try_get("valid_from_us")?,
        valid_until_us: row.try_get("valid_until_us")?,
        forgotten: row.try_get("forgotten")?,
        version: row.try_get::<i64, _>("version")? as u64,
        metadata: compact(row.try_get("metadata")?),
        details: row.try_get("details")?,
        idempotency_key: row.try_get("idempotency_key")?,
        fingerprint,
        embedding,
        model: row.try_get("model")?,
        vector: row.try_get("vector")?,
        readers: row.try_get("readers")?,
        subjects: row.try_get("subjects")?,
        sources: sources.into_iter().map(|Uuid(id)| id).collect(),
    })
}
