//! The table of entities beside their documents, and their copies where other programs read them.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_cache::{Copies, Copy};
use gamemesh_documents::{Rows, Tables};
use gamemesh_domain::document::Value;
use gamemesh_repository::{EntityRow, LogError, Projected, TableRows, TableWriter};

use super::{ENTITY, field};
use crate::convert::json;

/// Writes entities and documents with their cursor in one transaction.
pub(super) struct EntityRows {
    pub(super) documents: Arc<dyn TableWriter>,
    pub(super) copies: Option<Arc<dyn Copies>>,
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
        let copies: Vec<Copy> = entities.iter().map(copy).collect();
        let rows = vec![TableRows::Documents(documents), TableRows::Entities(entities)];
        self.documents.write(Projected { from, to, rows }).await?;
        // What is not copied expires, or is copied with the next change: the tables do not wait for it.
        if let Some(place) = self.copies.as_ref().filter(|_| !copies.is_empty())
            && let Err(error) = place.put_copies(copies).await
        {
            tracing::debug!(%error, "entities were not copied");
        }
        Ok(())
    }
}

/// A deleted entity leaves a copy that says so, which nothing older takes the place of.
fn copy(row: &EntityRow) -> Copy {
    let mut fields = vec![("updated_us", row.updated_us.to_string())];
    match row.deleted {
        true => fields.push(("deleted", "1".to_owned())),
        false => {
            fields.extend([("type", row.entity_type.clone()), ("data", row.data.clone())]);
        }
    }
    Copy { name: format!("entity:{}", row.id), version: row.version, fields }
}
