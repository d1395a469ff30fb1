//! The table of entities beside their documents.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_documents::{Rows, Tables};
use gamemesh_domain::document::Value;
use gamemesh_repository::{EntityRow, LogError, MemoryTables, Projected, TableRows, TableWriter};

use super::{ENTITY, field};
use crate::convert::json;

/// Writes entities first and documents with their cursor after: what is written again after a crash between
/// the two is not newer, and changes nothing.
pub(super) struct EntityRows {
    pub(super) tables: Arc<dyn MemoryTables>,
    pub(super) documents: Arc<dyn TableWriter>,
}

#[async_trait]
impl Tables for EntityRows {
    async fn write(&self, rows: Rows<'_>) -> Result<(), LogError> {
        let Rows { from, to, documents, changed } = rows;
        let entities = changed.iter().filter(|(stream, _)| stream.category() == ENTITY);
        let entities: Vec<EntityRow> = entities
            .map(|(stream, aggregate)| EntityRow {
                id: stream.key().to_owned(),
                entity_type: field(&aggregate.state, "type").as_text().unwrap_or("").to_owned(),
                data: match field(&aggregate.state, "data") {
                    Value::Map(map) => json::text(map),
                    _ => "{}".to_owned(),
                },
                version: aggregate.version,
                created_us: aggregate.created_at_us,
                updated_us: aggregate.updated_at_us,
                deleted: !aggregate.exists(),
            })
            .collect();
        if !entities.is_empty() {
            self.tables.put_entities(entities).await?;
        }
        let rows = vec![TableRows::Documents(documents)];
        self.documents.write(Projected { from, to, rows }).await
    }
}
