//! Which of the aggregates that are there do not fit a declaration.

use std::sync::Arc;

use gamemesh_domain::Result;
use gamemesh_domain::document::{Schema, Value};
use gamemesh_repository::StreamName;

use crate::engine::Engine;

/// Aggregates that one declaration examines; of more it says how many it examined.
const EXAMINED_MAX: u64 = 100_000;

/// Rows that are read at once.
const ROWS_MAX: usize = 1_000;

/// Ids that an answer names.
const NAMED_MAX: usize = 10;

#[derive(Default)]
pub(super) struct Existing {
    pub(super) examined: u64,
    pub(super) unfit: u64,
    pub(super) unfit_ids: Vec<String>,
}

/// Examines those that had been acknowledged when this was called.
pub(super) async fn examine(engine: &Arc<Engine>, schema: &Schema) -> Result<Existing> {
    let cut = engine.documents.feed.committed();
    engine.documents.projector.written(&cut).await?;
    let name = schema.type_name().as_str();
    let mut existing = Existing::default();
    let mut after: Option<String> = None;
    loop {
        let page = engine.documents.tables.list(name, after.as_deref(), ROWS_MAX).await?;
        for row in page.rows {
            let stream = StreamName::new(name, &row.id);
            let aggregate = engine.documents.history.of_row(&stream, &row).await?;
            after = Some(row.id);
            if !aggregate.exists() {
                continue;
            }
            existing.examined += 1;
            if schema.check_state(&Value::Null, &aggregate.state).is_err() {
                existing.unfit += 1;
                if existing.unfit_ids.len() < NAMED_MAX {
                    existing.unfit_ids.push(stream.key().to_owned());
                }
            }
        }
        if !page.more || existing.examined >= EXAMINED_MAX {
            return Ok(existing);
        }
    }
}
